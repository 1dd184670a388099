"""Who owns which page of the KV cache: reference counts, a free list, and the kept pages that nobody uses right now.

Sits between the scheduler, which allocates, shares and releases pages, and the prefix cache, which marks pages as worth
keeping. A page is in exactly one of three states: used (references > 0), idle (kept for its content, no references,
oldest first) or free. It knows page ids only: neither what is in a page nor where its memory lies.

Kept pages are never many: beyond `most_taken` used and idle pages together, the longest unused ones are given up, so
that a server that has seen a burst does not hold its memory for ever. What is in use may go beyond that, up to `total`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

__all__ = ["PagePool"]


class PagePool:
    """Page ids 0..total-1. Not thread-safe: the engine's step thread owns it."""

    def __init__(self, total: int, most_taken: int | None = None) -> None:
        """most_taken: used and idle pages above which none stays idle; None sets no bound below total."""
        if total < 1:
            raise ValueError(f"a page pool needs at least one page, not {total}")
        self.total = total
        self.most_taken = total if most_taken is None else most_taken
        self.on_evict: Callable[[int], None] | None = None  # its content is no longer kept
        self.on_discard: Callable[[int], None] | None = None  # nor is its memory needed for now
        self._references = [0] * total
        # Last in, first out, lowest ids first: pages whose memory the system has already given are taken again first.
        self._free = list(range(total - 1, -1, -1))
        self._kept = bytearray(total)
        self._idle: OrderedDict[int, None] = OrderedDict()

    @property
    def available(self) -> int:
        """Pages that `allocate` can still give: the free ones and those that can be evicted."""
        return len(self._free) + len(self._idle)

    @property
    def used(self) -> int:
        return self.total - self.available

    @property
    def idle(self) -> int:
        """Pages kept for their content alone."""
        return len(self._idle)

    def references(self, page: int) -> int:
        return self._references[page]

    def allocate(self) -> int | None:
        """A page with one reference, evicting the longest unused kept page if need be. None if all are in use."""
        if self._idle and self._taken >= self.most_taken:
            page = self._evict()
        elif self._free:
            page = self._free.pop()
        elif self._idle:
            page = self._evict()
        else:
            return None
        self._references[page] = 1
        return page

    def share(self, page: int) -> None:
        """One more reference to a page that is used or idle."""
        count = self._references[page]
        if count == 0:
            if not self._kept[page]:
                raise ValueError(f"page {page} is free and cannot be shared")
            del self._idle[page]
        self._references[page] = count + 1

    def release(self, page: int) -> None:
        """One reference less. The last one makes a kept page idle (and the newest of those), any other free."""
        count = self._references[page]
        if count < 1:
            raise ValueError(f"page {page} has no references")
        self._references[page] = count - 1
        if count == 1:
            if self._kept[page]:
                self._idle[page] = None
            else:
                self._free.append(page)
            while self._idle and self._taken > self.most_taken:
                oldest = self._evict()
                self._free.insert(0, oldest)  # taken again last: its memory has to be given anew
                if self.on_discard is not None:
                    self.on_discard(oldest)

    def keep(self, page: int) -> None:
        """Keep the page's content when its last reference goes."""
        if self._references[page] < 1:
            raise ValueError(f"page {page} is not in use")
        self._kept[page] = 1

    def drop_idle(self) -> list[int]:
        """Evict every idle page; the ids that became free."""
        dropped = [self._evict() for _ in range(len(self._idle))]
        self._free.extend(reversed(dropped))
        return dropped

    @property
    def _taken(self) -> int:
        """Pages that are used or idle."""
        return self.total - len(self._free)

    def _evict(self) -> int:
        """The longest unused kept page, which the caller takes or frees."""
        page, _ = self._idle.popitem(last=False)
        self._kept[page] = 0
        if self.on_evict is not None:
            self.on_evict(page)
        return page

    def check(self) -> None:
        """Raise RuntimeError unless every page is in exactly one state."""
        free, idle = set(self._free), set(self._idle)
        if len(free) != len(self._free):
            raise RuntimeError("a page is in the free list twice")
        for page, count in enumerate(self._references):
            states = (page in free) + (page in idle) + (count > 0)
            if count < 0 or states != 1:
                raise RuntimeError(
                    f"page {page}: {count} references, {'' if page in free else 'not '}free, "
                    f"{'' if page in idle else 'not '}idle"
                )
            if page in free and self._kept[page]:
                raise RuntimeError(f"page {page} is free but kept")
            if page in idle and not self._kept[page]:
                raise RuntimeError(f"page {page} is idle but not kept")
