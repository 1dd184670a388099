"""Which block goes first when room is needed: the longest unused one, and of a chain of blocks the last.

A block without those before it is worth nothing. So only blocks that no other block follows may go; when one has gone,
the one before it may. Blocks in use (pinned) stay.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import Generic, Protocol, TypeVar

__all__ = ["EvictionOrder", "Ordered"]


class Ordered(Protocol):
    used: int  # when it was last used, by a clock that only grows

    @property
    def may_go(self) -> bool:
        """Known, in nobody's use, and followed by none."""


T = TypeVar("T", bound=Ordered)


class EvictionOrder(Generic[T]):
    """To be told of each block that may go from now on or has another `used`; the rest is found out at `pop`."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._ties = count()

    def add(self, block: T) -> None:
        heapq.heappush(self._heap, (block.used, next(self._ties), block))

    def pop(self) -> T | None:
        """The block that has to go next."""
        while self._heap:
            used, _, block = heapq.heappop(self._heap)
            if block.may_go and block.used == used:
                return block
        return None

    def shrink(self, blocks: int) -> None:
        """Of so many blocks that there are: forget what is out of date or said twice, where that is most of it."""
        if len(self._heap) > 2 * blocks + 1000:
            current = {id(item[2]): item for item in self._heap if item[2].may_go and item[2].used == item[0]}
            self._heap = list(current.values())
            heapq.heapify(self._heap)
