from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from context.blocks import STRIDE, content
from spatz.context.block_store import BlockStore
from spatz.context.disk_tier import BUFFERS, LEAST_PAGES, DiskTier, address_space
from spatz.context.pages import PagePool
from spatz.context.prefix import PrefixCache, chain, root

PAGE = 4096
ROOT = root("model", "exact")


class Pages:
    """The memory of a few pages."""

    def __init__(self, count: int) -> None:
        self.data = np.zeros((count, PAGE), np.uint8)

    def view(self, page: int) -> NDArray[np.uint8]:
        return self.data[page]


class Sequence:
    """Prompts that are run: pages that get full one after another, or come from the cache."""

    def __init__(self, store: BlockStore, pages: int = 64) -> None:
        self.space = store.space("exact", PAGE)
        self.tier = DiskTier(self.space, ROOT)
        self.memory = Pages(pages)
        self.pool = PagePool(pages)
        self.cache = PrefixCache(self.pool, self.memory, [self.tier])

    def addresses(self, count: int, text: int = 0) -> list[bytes]:
        found = [ROOT]
        for page in range(count):
            found.append(chain(found[-1], np.full(128, 1000 * text + page, np.int32)))
        return found

    def run(self, count: int, text: int = 0, owner: str = "") -> int:
        """Gives how many pages did not have to be computed."""
        addresses = self.addresses(count, text)
        held, known = [], 0
        for number in range(count):
            page = self.cache.acquire(addresses[number + 1])
            if page is None:
                break
            assert (self.memory.view(page) == content(number, str(text), PAGE)).all()
            held.append(page)
            known += 1
        for number in range(known, count):
            page = self.pool.allocate()
            assert page is not None
            self.memory.view(page)[:] = content(number, str(text), PAGE)
            held.append(self.cache.publish(addresses[number + 1], addresses[number], page, owner))
        for page in held:
            self.pool.release(page)
        return known

    def forget(self) -> None:
        """What memory has; the disk gets what is on its way to it."""
        self.cache.clear()
        self.memory.data[:] = 0

    def wait(self) -> None:
        self.tier.flush()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlockStore]:
    with BlockStore(tmp_path / "cache", limit_bytes=1000 * STRIDE, memory_bytes=0, spare_bytes=0) as store:
        yield store


def test_a_long_prefix_is_found_again_when_memory_has_forgotten_it(store: BlockStore) -> None:
    sequence = Sequence(store)
    assert sequence.run(LEAST_PAGES + 3, owner="key_1") == 0
    sequence.wait()
    sequence.forget()
    assert sequence.run(LEAST_PAGES + 5) == LEAST_PAGES + 3
    sequence.wait()
    sequence.forget()
    assert sequence.run(LEAST_PAGES + 5, text=1) == 0  # another text
    assert sequence.run(LEAST_PAGES + 9) == LEAST_PAGES + 5
    sequence.tier.close()
    assert store.stats().owners.keys() == {"key_1", ""}


def test_short_prefixes_are_not_written(store: BlockStore) -> None:
    sequence = Sequence(store)
    sequence.run(LEAST_PAGES - 1)
    sequence.wait()
    assert store.stats().entries == 0
    sequence.run(LEAST_PAGES)  # the next turn of a chat: what went before is written with it
    sequence.wait()
    assert store.stats().entries == LEAST_PAGES
    sequence.tier.close()


def test_after_a_restart_a_prefix_goes_on(store: BlockStore) -> None:
    first = Sequence(store)
    first.run(LEAST_PAGES)
    first.tier.close()
    second = Sequence(store)
    assert second.run(LEAST_PAGES + 1) == LEAST_PAGES
    second.tier.close()
    third = Sequence(store)
    assert third.run(LEAST_PAGES + 1) == LEAST_PAGES + 1
    third.tier.close()


def test_a_prefix_whose_beginning_is_gone_is_not_written(store: BlockStore) -> None:
    sequence = Sequence(store, pages=LEAST_PAGES)
    addresses = sequence.addresses(LEAST_PAGES + 1)
    for number in range(LEAST_PAGES):
        page = sequence.pool.allocate()
        assert page is not None
        if number:  # the first page is evicted before it is worth being written
            sequence.cache.publish(addresses[number + 1], addresses[number], page)
        else:
            sequence.pool.release(page)
    sequence.wait()
    assert store.stats().entries == 0
    sequence.tier.close()


def test_a_disk_that_falls_behind_is_not_waited_for(store: BlockStore) -> None:
    """What is written is a beginning all the same, and the next page catches up."""
    sequence = Sequence(store)
    with sequence.space._store.lock:  # no block is had meanwhile
        sequence.run(LEAST_PAGES + BUFFERS + 5)
    sequence.wait()
    assert store.stats().entries == BUFFERS
    with sequence.space._store.lock:
        sequence.run(LEAST_PAGES + BUFFERS + 6)
    sequence.wait()
    assert store.stats().entries == 2 * BUFFERS
    sequence.forget()
    assert sequence.run(LEAST_PAGES + BUFFERS + 6) == 2 * BUFFERS
    sequence.tier.close()


def test_a_damaged_page_is_computed_again(store: BlockStore, tmp_path: Path) -> None:
    sequence = Sequence(store)
    sequence.run(LEAST_PAGES)
    sequence.tier.close()
    store.close()
    with (tmp_path / "cache" / "exact.00000.blocks").open("r+b") as file:
        file.seek(3 * PAGE + 77)
        file.write(b"!!")
    with BlockStore(tmp_path / "cache", limit_bytes=1000 * STRIDE, memory_bytes=0, spare_bytes=0) as again:
        sequence = Sequence(again)
        assert sequence.run(LEAST_PAGES) == 3
        sequence.wait()
        sequence.forget()
        assert sequence.run(LEAST_PAGES) == LEAST_PAGES  # the damaged one was written anew
        sequence.tier.close()
        assert again.stats().damaged == 1


def test_a_prompt_is_checked_ahead_up_to_what_is_damaged(store: BlockStore, tmp_path: Path) -> None:
    sequence = Sequence(store)
    sequence.run(LEAST_PAGES)
    sequence.tier.close()
    store.close()
    with (tmp_path / "cache" / "exact.00000.blocks").open("r+b") as file:
        file.seek(3 * PAGE)
        file.write(b"!!")
    tokens = np.repeat(np.arange(LEAST_PAGES, dtype=np.int32), 128)
    with BlockStore(tmp_path / "cache", limit_bytes=1000 * STRIDE, memory_bytes=0, spare_bytes=0) as again:
        sequence = Sequence(again)
        sequence.tier.check_ahead(tokens)
        sequence.tier.check_ahead(tokens + 1)  # of which nothing is known
        entries = [again.space("exact", PAGE).entries.get(address) for address in sequence.addresses(LEAST_PAGES)[1:]]
        assert [entry and entry.checked for entry in entries] == [True, True, True, None, False, False, False, False]
        assert (again.stats().damaged, again.stats().hits) == (1, 0)
        sequence.tier.close()


def test_pages_are_addressed_by_all_that_their_bytes_depend_on() -> None:
    base = address_space("digest", "avx2", "int8")
    assert base == address_space("digest", "avx2", "int8")
    assert len({base, address_space("d", "avx2", "int8"), address_space("digest", "avx512", "int8")}) == 3
    assert base != address_space("digest", "avx2", "bf16")
