"""Which of a search's results are read for one answer: the best ones first, others where these fail or are slow.

As many are begun at once as are wanted. One that fails is replaced by the next; while none arrives, one more is begun
from time to time, so that a dead host costs a fraction of the time and not all of it. It ends when there are enough,
when the time is up or when the bytes are used up. It knows nothing of how a page is read (page_reader.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from spatz.search.page import Page, PageFailure
from spatz.search.result import SearchResult
from spatz.search.urls import same_page

__all__ = ["PageError", "PageRace", "ReadPage"]

PATIENCE = 0.15  # share of the time after which one more page is begun, if none has come
MOST_PAGES = 6  # largest pages that all that is fetched for one answer may come to
CLOSING = 0.25  # seconds that what is broken off may take to end

logger = logging.getLogger("spatz.search")


class PageError(Exception):
    def __init__(self, failure: PageFailure, *, lasting: bool = False) -> None:
        """lasting: it would be the same again a moment later."""
        super().__init__(failure.message)
        self.failure = failure
        self.lasting = lasting


ReadPage = Callable[[SearchResult], Awaitable[tuple[Page, int]]]
"""The page and the bytes that were fetched for it. Raises PageError."""


class PageRace:
    """Of one answer."""

    def __init__(
        self, read: ReadPage, *, page_bytes: int, most: int, admits: Callable[[str], bool] | None = None
    ) -> None:
        self._read = read
        self._page_bytes = page_bytes
        self._bytes = MOST_PAGES * page_bytes  # left
        self._most = most
        self._admits = admits
        self._running: dict[asyncio.Task[tuple[Page, int]], int] = {}
        self._pages: dict[int, Page] = {}  # place among the results -> page
        self._failures: dict[int, PageFailure] = {}
        self._seen: set[str] = set()

    async def run(self, results: Sequence[SearchResult], seconds: float) -> tuple[list[Page], list[PageFailure]]:
        now = asyncio.get_running_loop().time
        deadline = now() + seconds
        left = list(enumerate(results))[::-1]  # the next one is the last
        beside = 0  # that run beside slow ones
        try:
            while len(self._pages) < self._most:
                self._begin(left, beside)
                if not self._running:
                    break
                patience = seconds * PATIENCE if left else seconds
                timeout = min(patience, deadline - now())
                done, _ = await asyncio.wait(self._running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                if now() >= deadline and not done:
                    break
                beside += not done
                for task in sorted(done, key=self._running.__getitem__):
                    self._take(task, results)
        finally:
            late = await self._stop()
        for place in late:
            enough = len(self._pages) >= self._most
            why = "others were there before it" if enough else f"it was not read within {seconds:.3g} s"
            self._failures.setdefault(place, PageFailure(results[place].url, "page_late", why))
        return (
            [page for _, page in sorted(self._pages.items(), key=lambda item: item[0])],
            [failure for _, failure in sorted(self._failures.items(), key=lambda item: item[0])],
        )

    def _begin(self, left: list[tuple[int, SearchResult]], beside: int) -> None:
        while left and len(self._running) < self._most - len(self._pages) + beside:
            place, result = left[-1]
            reserved = self._page_bytes * len(self._running)
            if result.text is None and self._bytes - reserved < self._page_bytes:
                if self._running:
                    return  # what these leave is known when they have come
                words = f"the pages for this answer come to more than {MOST_PAGES * self._page_bytes} bytes"
                self._failures[place] = PageFailure(result.url, "budget", words)
                left.pop()
                continue
            left.pop()
            if (key := same_page(result.url)) in self._seen:
                continue
            self._seen.add(key)
            task = asyncio.ensure_future(self._read(result))
            self._running[task] = place

    def _take(self, task: asyncio.Task[tuple[Page, int]], results: Sequence[SearchResult]) -> None:
        place = self._running.pop(task)
        try:
            page, cost = task.result()
        except PageError as error:
            self._bytes -= self._page_bytes if error.failure.code == "file_too_large" else 0
            self._failures[place] = error.failure
            return
        except Exception:  # no page may cost the answer
            logger.exception("a page could not be read")
            self._failures[place] = PageFailure(results[place].url, "fetch_failed", "reading it failed")
            return
        self._bytes -= cost
        key = same_page(page.url)
        if key != same_page(results[place].url) and key in self._seen:
            return  # it leads to a page that has come, or is about to
        self._seen.add(key)
        if self._admits is not None and not self._admits(page.url):
            self._failures[place] = PageFailure(
                page.url, "domain_not_allowed", "it lies in a domain that is not allowed"
            )
        elif len(self._pages) < self._most:
            self._pages[place] = page

    async def _stop(self) -> list[int]:
        """Break off what still runs. Places of it, best first."""
        for task in self._running:
            task.cancel()
            task.add_done_callback(_looked_at)
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSING)
        return sorted(self._running.values())


def _looked_at(task: asyncio.Task[tuple[Page, int]]) -> None:
    if not task.cancelled():
        task.exception()  # nobody waits for it any more
