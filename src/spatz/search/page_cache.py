"""Pages that were read from the web a while ago, by URL: used again until they expire, within a bound on memory.

Failures are kept for a short time too, so that a dead host does not cost each request its time. What was read is the
same for whoever asks; it belongs to one event loop.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from spatz.search.page import PageFailure

__all__ = ["PageCache", "WebPage"]

FAILED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class WebPage:
    """What a URL gave, whoever asked for it."""

    url: str  # after redirects
    title: str
    markdown: str
    left_out: int
    bytes: int  # that were fetched


class PageCache:
    def __init__(self, *, seconds: float, memory_bytes: int = 32 << 20) -> None:
        """seconds: 0 keeps nothing."""
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._used = 0
        self._kept: OrderedDict[str, tuple[WebPage | PageFailure, float]] = OrderedDict()

    def find(self, key: str, now: float) -> WebPage | PageFailure | None:
        found = self._kept.get(key)
        if found is None:
            return None
        page, expires = found
        if expires <= now:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return page

    def put(self, key: str, page: WebPage | PageFailure, now: float) -> None:
        if key in self._kept:
            self._drop(key)
        seconds = min(self._seconds, FAILED_SECONDS) if isinstance(page, PageFailure) else self._seconds
        size = _size(page)
        if seconds <= 0 or size > self._memory_bytes:
            return
        self._kept[key] = (page, now + seconds)
        self._used += size
        while self._used > self._memory_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        page, _ = self._kept.pop(key)
        self._used -= _size(page)


def _size(page: WebPage | PageFailure) -> int:
    """Bytes, about: a text that is not ASCII may take four a character."""
    text = page.markdown if isinstance(page, WebPage) else page.message
    return 1024 + len(page.url) + len(text) * (1 if text.isascii() else 4)
