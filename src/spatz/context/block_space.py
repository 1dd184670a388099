"""The blocks of one size and purpose in the store: found by address, reserved, committed, released.

What the engine and the request threads call. All of it is thread-safe and none of it waits for a disk, but for `check`,
which reads the block, and for what an eviction takes: a file's hole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spatz.context.block import Block, DamagedBlock, Entry, checksum
from spatz.context.block_file import BlockFile
from spatz.errors import OverloadedError

if TYPE_CHECKING:
    from spatz.context.block_medium import Medium
    from spatz.context.block_store import BlockStore

__all__ = ["Space"]


class Space:
    """Made by BlockStore.space. id: in the index, 0 where there is none."""

    def __init__(self, store: BlockStore, id: int, name: str, block_bytes: int) -> None:
        self.id = id
        self.name = name
        self.block_bytes = block_bytes
        self.entries: dict[bytes, Entry] = {}
        self.followers: Counter[bytes] = Counter()  # how many known blocks follow the one with this address
        self.files: dict[Medium, BlockFile] = {}  # the one that is to be taken first, first
        self._store = store

    def __contains__(self, digest: bytes) -> bool:
        return digest in self.entries

    def find(self, digest: bytes) -> Block | None:
        """The block with this address, pinned. Nothing is read."""
        found = self.find_all((digest,))
        return found[0] if found else None

    def find_all(self, digests: Iterable[bytes]) -> list[Block]:
        """The blocks of a chain from its beginning to the first that is not there, pinned."""
        found: list[Block] = []
        with self._store.lock:
            for digest in digests:
                entry = self.entries.get(digest)
                if entry is None:
                    self._store.counts["misses"] += 1
                    break
                entry.pins += 1
                found.append(Block(entry))
            self._store.counts["hits"] += len(found)
        return found

    def checked(self, digest: bytes) -> bool:
        """Whether the block with this address is there and sound: it is read now, if it was not before."""
        with self._store.lock:
            entry = self.entries.get(digest)
            if entry is None:
                return False
            if entry.checked:
                return True
            entry.pins += 1
        with Block(entry):
            try:
                self.check(entry)
            except DamagedBlock:
                return False
        return True

    def reserve(self) -> Block:
        """A block to write, pinned and unknown to others. Raises OverloadedError (503) where there is no room."""
        return Block(self._store.take(self))

    def commit(self, block: Block, digest: bytes, parent: bytes, owner: str = "") -> None:
        """The block is written: it can be found from now on. It stays pinned until it is released.

        parent: the address of the block before it, in this space. Where the address is known already, the one that is
        known stays, and this one lives until its release.
        """
        self._store.commit(block.entry, digest, parent, owner)

    def put(self, digest: bytes, parent: bytes, data: NDArray[np.uint8], owner: str = "") -> bool:
        """Store data as a whole. False: there is no room."""
        for disk in (True, False):
            try:
                block = Block(self._store.take(self, disk=disk))
            except OverloadedError:
                return False
            with block:
                try:
                    block.fill(data)
                except OSError as error:
                    self._store.complain("disk", "the cache's disk cannot be written (%s)", error.strerror)
                    continue
                self.commit(block, digest, parent, owner)
                return True
        return False

    def touch(self, blocks: Sequence[Block]) -> None:
        """These, in the order of their chain, are used now: they are to be evicted last, the chain's end first."""
        self._store.touch([block.entry for block in blocks])

    def drop(self, digest: bytes) -> None:
        """Delete one entry."""
        entry = self.entries.get(digest)
        if entry is not None:
            self._store.delete([entry])

    # --- with the store's lock held ----------------------------------------------------------------------------------

    def know(self, entry: Entry) -> None:
        """It can be found from now on."""
        entry.known = True
        self.entries[entry.digest] = entry
        if entry.parent:
            self.followers[entry.parent] += 1

    def forget(self, entry: Entry) -> None:
        """It cannot be found any more, and the one before it may go."""
        entry.known = False
        del self.entries[entry.digest]
        if not entry.parent:
            return
        self.followers[entry.parent] -= 1
        if not self.followers[entry.parent]:
            del self.followers[entry.parent]
            before = self.entries.get(entry.parent)
            if before is not None:
                before.medium.may_go(before)

    # --- for blocks --------------------------------------------------------------------------------------------------

    def check(self, entry: Entry) -> None:
        """Raises DamagedBlock where the entry's bytes are not those that were written."""
        sound = entry.file.readable(entry.slot)
        if sound and checksum(entry.digest, entry.file.data(entry.slot)) == entry.checksum:
            entry.checked = True
            return
        self._store.damaged(entry)
        raise DamagedBlock(f"a block of {self.name} is not what was written")

    def unpin(self, entry: Entry) -> None:
        self._store.unpin(entry)
