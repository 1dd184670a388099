"""Prefix reuse: full KV pages addressed by what they hold, so that a prompt's known beginning is never run again.

A page's address is a BLAKE2b hash over its parent page's address and its own token ids; the first page's parent is the
root, a hash over the model's fingerprint and the mode (KV format, attention mode). Equal addresses therefore mean equal
tokens at equal positions in equal models, and the core gives the same bytes for those: 256 bits leave nothing to luck,
and nobody can craft a collision. The scheduler asks for pages by address (`acquire`) and offers pages that became full
(`publish`), prompts and answers alike, so that the next turn of a chat finds the answer too.

Pages in memory are evicted by the pool, longest unused first. Slower tiers (a disk) attach through `Tier`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatz.context.pages import PagePool

__all__ = ["DIGEST_BYTES", "KeptPage", "PageStore", "PrefixCache", "Tier", "chain", "chained", "root"]

DIGEST_BYTES = 32


def root(*parts: str) -> bytes:
    """The address of the empty prefix under a model fingerprint, a KV format and an attention mode."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES, person=b"spatz-kv-root")
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little"))  # so that ("ab", "c") is not ("a", "bc")
        digest.update(data)
    return digest.digest()


def chain(parent: bytes, tokens: NDArray[np.int32], seen: bytes = b"") -> bytes:
    """The address of the page that holds `tokens` after the prefix at `parent`. seen: what of it is not in the tokens,
    such as which images they stand for.
    """
    digest = hashlib.blake2b(parent, digest_size=DIGEST_BYTES, person=b"spatz-kv-seen" if seen else b"spatz-kv-page")
    if seen:
        digest.update(len(seen).to_bytes(8, "little"))
        digest.update(seen)
    digest.update(np.ascontiguousarray(tokens, dtype="<i4").data)
    return digest.digest()


def chained(
    parent: bytes, tokens: NDArray[np.int32], page_tokens: int, seen: Callable[[int, int], bytes] | None = None
) -> Iterator[bytes]:
    """The addresses of the full pages of `tokens`, one after another, after the prefix at `parent`.

    seen: of the tokens [start, end), what `chain` takes.
    """
    for start in range(0, len(tokens) - page_tokens + 1, page_tokens):
        end = start + page_tokens
        parent = chain(parent, tokens[start:end], b"" if seen is None else seen(start, end))
        yield parent


class PageStore(Protocol):
    """The bytes of the pages: what `_core.KVCache` is to this module."""

    def view(self, page: int) -> NDArray[np.uint8]: ...


KeptPage = Callable[[bytes], NDArray[np.uint8] | None]


class Tier(Protocol):
    """A larger, slower place for pages. All calls come from the step thread and must return quickly."""

    def has(self, digest: bytes) -> bool:
        """Whether a fetch is worth a page in memory."""

    def offer(self, digest: bytes, parent: bytes, page: NDArray[np.uint8], owner: str, kept: KeptPage) -> None:
        """A page became full. owner: whose request it is. kept: gives earlier pages that memory still has.

        The bytes are only valid during the call: copy them, or leave the page.
        """

    def fetch(self, digest: bytes, page: NDArray[np.uint8]) -> bool:
        """Fill the page if this tier has it and its checksum holds; False leaves the page's bytes undefined."""


class PrefixCache:
    """Which page holds which prefix. Not thread-safe: the engine's step thread owns it."""

    def __init__(self, pool: PagePool, store: PageStore, tiers: Sequence[Tier] = ()) -> None:
        self.pool = pool
        self.store = store
        self.tiers = tuple(tiers)
        self._pages: dict[bytes, int] = {}
        self._digests: dict[int, bytes] = {}
        pool.on_evict = self._forget

    def __len__(self) -> int:
        return len(self._pages)

    def page(self, digest: bytes) -> int | None:
        """The page in memory with this address, without taking a reference."""
        return self._pages.get(digest)

    def acquire(self, digest: bytes) -> int | None:
        """A reference to the page with this address, from memory or a tier; None if it has to be computed."""
        page = self._pages.get(digest)
        if page is not None:
            self.pool.share(page)
            return page
        for tier in self.tiers:
            if tier.has(digest):
                page = self._fetch(digest, tier)
                if page is not None:
                    return page
        return None

    def publish(self, digest: bytes, parent: bytes, page: int, owner: str = "") -> int:
        """A used page became full. Gives the page to use from now on: another one if its content was already known.

        Two sequences that ran the same tokens at the same time end up on one page; the caller's reference moves along.
        """
        known = self._pages.get(digest)
        if known == page:
            return page
        if known is not None:
            self.pool.share(known)
            self.pool.release(page)
            return known
        self._remember(digest, page)
        for tier in self.tiers:
            tier.offer(digest, parent, self.store.view(page), owner, self._kept)
        return page

    def clear(self) -> None:
        """Forget every page that nobody uses."""
        self.pool.drop_idle()

    def check(self) -> None:
        """Raise RuntimeError unless both directions of the map agree and every known page is used or idle."""
        self.pool.check()
        if {page: digest for digest, page in self._pages.items()} != self._digests:
            raise RuntimeError("the maps between pages and addresses disagree")
        known = len(self._pages)
        idle_or_used = sum(1 for page in self._digests if self.pool.references(page) > 0) + self.pool.idle
        if known != idle_or_used:
            raise RuntimeError(f"{known} known pages, but {idle_or_used} that are used or idle")

    def _fetch(self, digest: bytes, tier: Tier) -> int | None:
        page = self.pool.allocate()
        if page is None:
            return None
        if tier.fetch(digest, self.store.view(page)):
            self._remember(digest, page)
            return page
        self.pool.release(page)
        return None

    def _kept(self, digest: bytes) -> NDArray[np.uint8] | None:
        page = self._pages.get(digest)
        return None if page is None else self.store.view(page)

    def _remember(self, digest: bytes, page: int) -> None:
        self._pages[digest] = page
        self._digests[page] = digest
        self.pool.keep(page)

    def _forget(self, page: int) -> None:
        del self._pages[self._digests.pop(page)]
