"""A block of the store: what is known of it (`Entry`), and the handle by which somebody uses it (`Block`).

Who holds a handle has the block pinned: it stays where it is until the handle is released, whatever is evicted or
deleted meanwhile. Reading checks the block's checksum once in a process, then it is trusted as memory is.
"""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from spatz.context.block_file import BlockFile
    from spatz.context.block_medium import Medium
    from spatz.context.block_space import Space

__all__ = ["CHECKSUM_BYTES", "Block", "DamagedBlock", "Entry", "checksum"]

CHECKSUM_BYTES = 16


class DamagedBlock(Exception):
    """What is stored is not what was written. The entry is gone; compute it anew."""


def checksum(digest: bytes, data: NDArray[np.uint8]) -> bytes:
    """Over the address, too, so that sound bytes in the wrong place are damaged as well. Needs no GIL."""
    state = hashlib.blake2b(digest, digest_size=CHECKSUM_BYTES, person=b"spatz-block")
    state.update(data.data)
    return state.digest()


class Entry:
    """A slot in use. The store's lock guards what changes."""

    __slots__ = (
        "checked",
        "checksum",
        "digest",
        "file",
        "known",
        "medium",
        "owner",
        "parent",
        "pins",
        "slot",
        "space",
        "used",
    )

    def __init__(self, space: Space, medium: Medium, file: BlockFile, slot: int) -> None:
        self.space = space
        self.medium = medium
        self.file = file
        self.slot = slot
        self.digest = self.parent = self.checksum = b""
        self.owner = ""
        self.used = 0
        self.pins = 0
        self.known = False  # it can be found; else its slot is free once the last pin has gone
        self.checked = False  # its bytes are known to be those that were written

    @property
    def may_go(self) -> bool:
        return self.known and not self.pins and self.digest not in self.space.followers


class Block:
    """A pinned entry. Its methods may be called from any thread, `release` once or more."""

    __slots__ = ("_held", "entry")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self._held = True

    @property
    def digest(self) -> bytes:
        """Empty until it is committed."""
        return self.entry.digest

    @property
    def data(self) -> NDArray[np.uint8]:
        """[block_bytes] The mapped memory, unchecked. It can be written until the block is committed."""
        data = self.entry.file.data(self.entry.slot)
        if self.entry.digest:
            data.flags.writeable = False
        return data

    def fill(self, data: NDArray[np.uint8]) -> None:
        """Write the whole block: [block_bytes]. Much faster than through `data`, and a disk's failure is an OSError."""
        if self.entry.digest:
            raise ValueError("a committed block is not written any more")
        if data.dtype != np.uint8 or data.shape != (self.entry.file.block_bytes,):
            raise ValueError(f"a block is {self.entry.file.block_bytes} bytes, not {data.dtype} {data.shape}")
        self.entry.file.fill(self.entry.slot, data)

    def read(self) -> NDArray[np.uint8]:
        """[block_bytes] The mapped memory, not to be written. Raises DamagedBlock."""
        if not self.entry.checked:
            self.entry.space.check(self.entry)
        return self.data

    def release(self) -> None:
        if self._held:
            self._held = False
            self.entry.space.unpin(self.entry)

    def __enter__(self) -> Block:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
