"""What URLs gave when they were last fetched, as hashes: a conversation's later turns need not ask for them again.

What was read of the bytes is in the cache of documents (cache.py) or is not; the bytes themselves are not kept.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

__all__ = ["FetchedBefore", "Trace"]


@dataclass(frozen=True, slots=True)
class Trace:
    content: str  # hash of the bytes
    filename: str
    media_type: str


class FetchedBefore:
    def __init__(self, most: int = 4096) -> None:
        """most: URLs, the latest."""
        self._most = most
        self._traces: OrderedDict[str, Trace] = OrderedDict()

    def find(self, url: str) -> Trace | None:
        return self._traces.get(url)

    def put(self, url: str, trace: Trace) -> None:
        self._traces[url] = trace
        self._traces.move_to_end(url)
        if len(self._traces) > self._most:
            self._traces.popitem(last=False)
