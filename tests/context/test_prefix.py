"""Prefix reuse: addresses depend on all that matters, pages are found, shared, evicted and fetched from tiers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from spatz.context.pages import PagePool
from spatz.context.prefix import DIGEST_BYTES, KeptPage, PrefixCache, chain, root

TOKENS = np.arange(128, dtype=np.int32)


class Store:
    def __init__(self, pages: int) -> None:
        self.data = np.zeros((pages, 16), np.uint8)

    def view(self, page: int) -> NDArray[np.uint8]:
        return self.data[page]


class DictTier:
    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}
        self.broken: set[bytes] = set()

    def has(self, digest: bytes) -> bool:
        return digest in self.pages

    def offer(self, digest: bytes, parent: bytes, page: NDArray[np.uint8], owner: str, kept: KeptPage) -> None:
        self.pages[digest] = page.tobytes()

    def fetch(self, digest: bytes, page: NDArray[np.uint8]) -> bool:
        page[:] = np.frombuffer(self.pages[digest], np.uint8)
        return digest not in self.broken


def take(pool: PagePool) -> int:
    page = pool.allocate()
    assert page is not None
    return page


def test_addresses_depend_on_model_mode_parent_tokens_and_their_order() -> None:
    base = root("model", "exact")
    other = TOKENS.copy()
    other[[0, 1]] = other[[1, 0]]
    addresses = {
        chain(base, TOKENS),
        chain(root("model", "routed"), TOKENS),
        chain(root("model2", "exact"), TOKENS),
        chain(root("modele", "xact"), TOKENS),
        chain(chain(base, TOKENS), TOKENS),
        chain(base, other),
        base,
    }
    assert len(addresses) == 7
    assert all(len(address) == DIGEST_BYTES for address in addresses)


def test_an_address_is_of_the_tokens_not_of_their_memory() -> None:
    base = root("model")
    strided = np.repeat(TOKENS, 2)[::2]
    assert chain(base, strided) == chain(base, TOKENS) == chain(base, TOKENS.astype(np.int64))


def test_a_published_page_is_found_until_it_is_evicted() -> None:
    pool = PagePool(2)
    cache = PrefixCache(pool, Store(2))
    base = root("m")
    address = chain(base, TOKENS)
    page = take(pool)
    assert cache.acquire(address) is None
    assert cache.publish(address, base, page) == page
    assert cache.publish(address, base, page) == page  # twice is no harm
    pool.release(page)
    assert cache.page(address) == page and pool.idle == 1
    assert cache.acquire(address) == page
    pool.release(page)
    take(pool)
    assert cache.page(address) == page
    take(pool)  # needs its memory
    assert cache.acquire(address) is None and len(cache) == 0
    cache.check()


def test_two_pages_of_the_same_content_become_one() -> None:
    pool = PagePool(2)
    cache = PrefixCache(pool, Store(2))
    base = root("m")
    address = chain(base, TOKENS)
    first, second = take(pool), take(pool)
    cache.publish(address, base, first)
    assert cache.publish(address, base, second) == first
    assert pool.references(first) == 2 and pool.references(second) == 0
    cache.check()


def test_clear_forgets_what_nobody_uses() -> None:
    pool = PagePool(2)
    cache = PrefixCache(pool, Store(2))
    base = root("m")
    used, unused = chain(base, TOKENS), chain(base, TOKENS + 1)
    cache.publish(used, base, take(pool))
    page = take(pool)
    cache.publish(unused, base, page)
    pool.release(page)
    cache.clear()
    assert cache.page(used) is not None and cache.page(unused) is None
    cache.check()


def test_a_tier_is_offered_full_pages_and_gives_them_back() -> None:
    tier = DictTier()
    base = root("m")
    address = chain(base, TOKENS)
    pool, store = PagePool(1), Store(1)
    cache = PrefixCache(pool, store, [tier])
    page = take(pool)
    store.data[page] = 7
    cache.publish(address, base, page)
    pool.release(page)
    cache.clear()
    store.data[page] = 0

    assert cache.acquire(address) == page
    assert (store.data[page] == 7).all() and pool.references(page) == 1
    assert cache.acquire(address) == page and pool.references(page) == 2
    cache.check()


def test_a_tier_that_cannot_read_its_page_costs_nothing() -> None:
    tier = DictTier()
    base = root("m")
    address = chain(base, TOKENS)
    tier.pages[address] = bytes(16)
    tier.broken.add(address)
    pool = PagePool(1)
    cache = PrefixCache(pool, Store(1), [tier])
    assert cache.acquire(address) is None
    assert pool.available == 1 and len(cache) == 0
    take(pool)
    assert cache.acquire(address) is None  # no memory to fetch into
    cache.check()


def test_the_check_sees_maps_that_disagree() -> None:
    pool = PagePool(1)
    cache = PrefixCache(pool, Store(1))
    base = root("m")
    cache.publish(chain(base, TOKENS), base, take(pool))
    cache._pages[b"x"] = 0
    with pytest.raises(RuntimeError, match="disagree"):
        cache.check()
