"""Where blocks lie, the disk or memory: how much of it they may take, and which goes first."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from spatz.context.block import Entry
from spatz.context.block_order import EvictionOrder

__all__ = ["Medium"]


class Medium:
    """The store's lock guards it."""

    def __init__(self, limit: int, folder: Path | None = None, spare: int = 0) -> None:
        """limit: bytes. folder: None is memory. spare: bytes of the folder's disk that are left to others."""
        self.limit = limit
        self.folder = folder
        self.used = 0
        self.entries = 0
        self._order: EvictionOrder[Entry] = EvictionOrder()
        self._spare = spare

    def may_go(self, entry: Entry) -> None:
        """To be told where an entry of this medium may go from now on, or was used."""
        if entry.may_go:
            self._order.add(entry)
            self._order.shrink(self.entries)

    def next_to_go(self) -> Entry | None:
        return self._order.pop()

    def check_disk(self, size: int) -> None:
        """Raises OSError where taking size bytes would leave others too little."""
        if self.folder is None:
            return
        status = os.statvfs(self.folder)
        if status.f_bavail * status.f_frsize < self._spare + size:
            raise OSError(errno.ENOSPC, "the disk is nearly full")
