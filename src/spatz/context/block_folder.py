"""The folder of the block store: held by one process, and read when the store opens.

Of what is read, rows whose seal holds and whose slot lies within a file are believed, and the rest is wiped.
An index that cannot be read, or is of another version, costs everything: the folder begins anew.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spatz.context.block import Entry
from spatz.context.block_file import BlockFile
from spatz.context.block_index import FAILURES, BlockIndex, IndexUnusable, Row, SpaceRow
from spatz.context.block_medium import Medium
from spatz.context.block_space import Space

__all__ = ["SPACE_NAME", "BlockFolder", "MakeSpace"]

SPACE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

MakeSpace = Callable[[SpaceRow, Medium, BlockFile], Space]

logger = logging.getLogger("spatz.cache")


@dataclass(frozen=True, slots=True)
class Found:
    index: BlockIndex
    spaces: dict[str, Space]  # by name, with their entries
    counters: dict[str, int]


class BlockFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def hold(self) -> bool:
        """Have the folder for this process alone. False: it cannot be used, or another has it; the log says so."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            # The kernel lets go of it when this process ends, however it ends.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(self._descriptor, 0o700)
        except BlockingIOError:
            logger.info("another process has the cache %s: this one keeps its own, in memory", self.path)
        except OSError as error:
            logger.warning("the cache %s cannot be used (%s): it is kept in memory", self.path, error.strerror)
        else:
            return True
        self.let_go()
        return False

    def let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def read(self, medium: Medium, make: MakeSpace) -> Found | None:
        """What there is. None: the folder cannot be used."""
        try:
            return self._read(medium, make)
        except (IndexUnusable, OSError, *FAILURES) as error:
            logger.warning("the cache %s begins anew: %s", self.path, error)
        medium.used = medium.entries = 0
        try:
            BlockIndex.delete(self.path)
            for path in self.path.glob("*.blocks"):
                path.unlink()
            return self._read(medium, make)
        except (IndexUnusable, OSError, *FAILURES) as error:
            logger.warning("the cache %s cannot be used (%s): it is kept in memory", self.path, error)
        return None

    def _read(self, medium: Medium, make: MakeSpace) -> Found:
        index = BlockIndex.open(self.path)
        try:
            held = {row.id: self._space(row, medium, make) for row in index.spaces()}
            rows, lost = index.rows()
            counters = index.counters()
            lost += [(row.space, row.slot) for row in rows if row.space not in held]
            for number, part in held.items():
                lost += part.take_over([row for row in rows if row.space == number], medium)
            self._remove_strangers({part.space.name for part in held.values()})
            with index.transaction():
                index.forget_fulfilled()
                index.remove(lost)
            if lost:
                logger.warning("the cache %s has lost %d blocks: its files were damaged", self.path, len(lost))
                index.forget_deleted()
        except BaseException:
            index.close()
            raise
        return Found(index, {part.space.name: part.space for part in held.values()}, counters)

    def _space(self, row: SpaceRow, medium: Medium, make: MakeSpace) -> _Held:
        if not SPACE_NAME.fullmatch(row.name):
            raise IndexUnusable("a row of its spaces is damaged")
        file = BlockFile(row.block_bytes, self.path, row.name, row.segment_bytes)
        return _Held(make(row, medium, file), file)

    def _remove_strangers(self, names: set[str]) -> None:
        for path in self.path.glob("*.blocks"):
            if path.name.partition(".")[0] not in names:
                path.unlink()


class _Held:
    """A space that the index knows, and its file."""

    def __init__(self, space: Space, file: BlockFile) -> None:
        self.space = space
        self._file = file

    def take_over(self, rows: list[Row], medium: Medium) -> list[tuple[int, int]]:
        """Make entries of what the file can hold. Gives space and slot of the rest."""
        space, file, sizes = self.space, self._file, self._file.found()
        lost: list[tuple[int, int]] = []
        slots: set[int] = set()
        for row in rows:
            segment, place = divmod(row.slot, file.per_segment)
            fits = row.slot >= 0 and (place + 1) * file.stride <= sizes.get(segment, 0)
            if not fits or row.slot in slots or row.digest in space.entries:
                lost.append((row.space, row.slot))
                continue
            slots.add(row.slot)
            entry = Entry(space, medium, file, row.slot)
            entry.digest, entry.parent, entry.owner = row.digest, row.parent, row.owner
            entry.checksum, entry.used = row.checksum, row.used
            space.know(entry)
        medium.entries += len(slots)
        medium.used += len(slots) * file.stride
        file.restore(slots)
        for entry in space.entries.values():
            medium.may_go(entry)
        return lost
