"""The store of KV blocks, on disk and in memory: addressed by what they hold, found again after a restart.

One for each server process. A `Space` holds blocks of one size. Blocks lie in mapped files of the folder, up to a limit
in bytes over all spaces; where the disk gives no room (it is full, the limit is taken by blocks in use, another process
has the folder, or there is none) they lie in memory, up to another limit, and after that a request gets a 503. When
room is needed the longest unused block goes, of a chain the last (block_order.py).

The index (block_index.py) is written by a thread of its own and read when the store opens. Nothing in the folder is
trusted: an index that cannot be read or is of another version, or files that are not as they were, cost entries; a
block is checked when it is first read. What is deleted is wiped from its file.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from spatz.context.block import Entry
from spatz.context.block_file import SEGMENT_BYTES, BlockFile
from spatz.context.block_index import COUNTERS, BlockIndex, IndexUnusable, SpaceRow
from spatz.context.block_order import EvictionOrder
from spatz.context.block_space import Space
from spatz.context.block_stats import BlockStats, Share
from spatz.context.block_writer import BlockWriter
from spatz.errors import OverloadedError

__all__ = ["BlockStore", "Medium"]

SPARE_BYTES = 256 << 20  # of the disk that the cache leaves to others: the database has to be written, too
TRIES = 4  # evictions for one block where the disk has no room although the limit leaves some
USED_SECONDS = 10.0  # how old the index's knowledge of what was used may be
COMPLAINT_SECONDS = 60.0

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

logger = logging.getLogger("spatz.cache")


class Medium:
    """Where blocks lie, how much they may take, and which goes first."""

    def __init__(self, limit: int, folder: Path | None) -> None:
        self.limit = limit
        self.folder = folder
        self.used = 0
        self.entries = 0
        self.order: EvictionOrder[Entry] = EvictionOrder()


class BlockStore:
    def __init__(
        self,
        folder: Path | None,
        *,
        limit_bytes: int,
        memory_bytes: int,
        segment_bytes: int = SEGMENT_BYTES,
        spare_bytes: int = SPARE_BYTES,
    ) -> None:
        """folder: made if need be, and for this process alone; None: everything lies in memory."""
        self.lock = threading.RLock()
        self._making = threading.Lock()  # of spaces; not held together with the other, which the writer needs
        self.counts: Counter[str] = Counter()
        self._counted: dict[str, int] = {}  # in the index
        self._segment_bytes = segment_bytes
        self._spare_bytes = spare_bytes
        self._spaces: dict[str, Space] = {}
        self._memory = Medium(memory_bytes, None)
        self._disk: Medium | None = None
        self._writer: BlockWriter | None = None
        self._descriptor: int | None = None
        self._clock = 0
        self._touched: set[Entry] = set()
        self._touched_at = 0.0
        self._complained: dict[str, float] = {}
        self._seen = -1  # version of the index, to see what others wrote
        self._closed = False
        if folder is not None and limit_bytes > 0:
            self._open(folder, limit_bytes)

    @property
    def on_disk(self) -> bool:
        """Whether blocks are found again after a restart."""
        return self._disk is not None

    def space(self, name: str, block_bytes: int) -> Space:
        """The space of that name, made if need be. What a space of that name but another size held is deleted."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a space")
        with self._making:
            space = self._spaces.get(name)
            if space is not None and space.block_bytes == block_bytes:
                return space
            if space is not None:
                self._remove_space(space)
            space = Space(self, 0, name, block_bytes)
            space.files[self._memory] = BlockFile(block_bytes, segment_bytes=self._segment_bytes)
            if self._disk is not None and self._writer is not None:
                try:
                    row = self._writer.call(lambda index: index.add_space(name, block_bytes, self._segment_bytes))
                except sqlite3.Error as error:
                    self._complain(
                        "index", "the cache keeps %s in memory: its index cannot be written (%s)", name, error
                    )
                else:
                    space.id = row.id
                    space.files[self._disk] = BlockFile(block_bytes, self._disk.folder, name, self._segment_bytes)
            with self.lock:
                self._spaces[name] = space
            return space

    def clear(self, *, owner: str | None = None, digest: bytes | None = None) -> int:
        """Delete the owner's entries, those with this address, or all. Gives how many.

        What is in use is not found any more, and wiped when it is released.
        """
        chosen = self._chosen(owner, digest)
        self.delete(chosen)
        if chosen and self._writer is not None:
            self._writer.later(_forget_deleted)
        return len(chosen)

    def _chosen(self, owner: str | None, digest: bytes | None) -> list[Entry]:
        with self.lock:
            return [
                entry
                for space in self._spaces.values()
                for entry in space.entries.values()
                if owner in (None, entry.owner) and digest in (None, entry.digest)
            ]

    def flush(self) -> None:
        """Wait until the index has all that was committed."""
        if self._writer is not None:
            self._writer.flush()

    def stats(self) -> BlockStats:
        with self.lock:
            spaces = {space.name: Share() for space in self._spaces.values()}
            owners: dict[str, Share] = {}
            for space in self._spaces.values():
                for entry in space.entries.values():
                    spaces[space.name].add(space.block_bytes)
                    owners.setdefault(entry.owner, Share()).add(space.block_bytes)
            return BlockStats(
                on_disk=self._disk is not None,
                entries=sum(share.entries for share in spaces.values()),
                disk_bytes=self._disk.used if self._disk else 0,
                disk_limit=self._disk.limit if self._disk else 0,
                memory_bytes=self._memory.used,
                memory_limit=self._memory.limit,
                hits=self.counts["hits"],
                misses=self.counts["misses"],
                evictions=self.counts["evictions"],
                damaged=self.counts["damaged"],
                spaces=spaces,
                owners=owners,
            )

    def close(self) -> None:
        """Write down what is to be kept. No block may be in use any more: the folder is free for others."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            self._touched_at = 0.0
        if self._writer is not None:
            self._writer.close()
        for space in self._spaces.values():
            for file in space.files.values():
                file.close()
        self._let_go()

    def __enter__(self) -> BlockStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- for spaces --------------------------------------------------------------------------------------------------

    def take(self, space: Space) -> Entry:
        """A pinned entry without an address. Raises OverloadedError."""
        for medium in (self._disk, self._memory):
            if medium is not None and medium in space.files and not self._closed:
                entry = self._take(space, medium)
                if entry is not None:
                    return entry
        raise OverloadedError(
            "The server has no room to keep what it has to know of this prompt: its cache is full of prompts that are "
            "being answered. Please try again later.",
            status=503,
            retry_after=5,
        )

    def commit(self, entry: Entry, digest: bytes, parent: bytes, owner: str) -> None:
        if not 1 <= len(digest) <= 64 or len(parent) > 64:
            raise ValueError("an address has 1 to 64 bytes")
        with self.lock:
            if entry.digest:
                raise ValueError("the block is committed already")
            space = entry.space
            entry.digest, entry.parent, entry.owner = digest, parent, owner
            entry.checked = True  # nobody but this process has written it
            self._clock += 1
            entry.used = self._clock
            if parent == digest:
                entry.parent = b""
            if digest in space.entries:
                return
            self._know(entry)
            if entry.medium is self._disk and self._writer is not None:
                entry.pins += 1  # until its checksum is taken
                self._writer.put(entry)

    def touch(self, entries: list[Entry]) -> None:
        with self.lock:
            self._clock += len(entries)
            for place, entry in enumerate(entries):
                entry.used = self._clock - place
                if entry.may_go:
                    entry.medium.order.add(entry)
                    entry.medium.order.shrink(entry.medium.entries)
            if self._writer is not None:
                self._touched.update(entry for entry in entries if entry.medium is self._disk)

    def unpin(self, entry: Entry) -> None:
        with self.lock:
            entry.pins -= 1
            if entry.pins > 0:
                return
            if entry.known:
                if entry.may_go:
                    entry.medium.order.add(entry)
                    entry.medium.order.shrink(entry.medium.entries)
                return
        self._wipe([entry])

    def delete(self, entries: Iterable[Entry]) -> None:
        with self.lock:
            known = [entry for entry in entries if entry.known]
            for entry in known:
                self._unknow(entry)
            unused = [entry for entry in known if not entry.pins]
        self._wipe(unused)

    def damaged(self, entry: Entry) -> None:
        """An entry is not what was written."""
        with self.lock:
            self.counts["damaged"] += 1
            if entry.known:
                self._unknow(entry)
        self._complain("damaged", "a block of the cache (%s) is damaged and dropped", entry.space.name)

    def complain(self, error: OSError) -> None:
        self._complain("disk", "the cache's disk cannot be written (%s)", error.strerror)

    # --- room --------------------------------------------------------------------------------------------------------

    def _take(self, space: Space, medium: Medium) -> Entry | None:
        file = space.files[medium]
        for _ in range(TRIES):
            with self.lock:
                victims = self._make_room(medium, file.stride)
                if victims is None:
                    return None
                medium.used += file.stride
            self._wipe(victims, counted=True)
            with self.lock:
                entry = Entry(space, medium, file, file.take())
                entry.pins = 1
            try:
                self._spare(medium, file.stride)
                file.allocate(entry.slot)
            except OSError as error:
                with self.lock:
                    file.give(entry.slot)
                    medium.used -= file.stride
                self._complain("full", "the cache's disk gives no more room (%s)", error.strerror)
                with self.lock:
                    victim = medium.order.pop()
                    if victim is None:
                        return None
                    self._evict(victim)
                self._wipe([victim], counted=True)
            else:
                with self.lock:
                    medium.entries += 1
                return entry
        return None

    def _make_room(self, medium: Medium, size: int) -> list[Entry] | None:
        """Evict until the limit leaves that much. None: too much of it is in use. What has gone has to be wiped."""
        victims: list[Entry] = []
        while medium.used + size > medium.limit:
            victim = medium.order.pop()
            if victim is None:
                self._wipe(victims, counted=True)
                return None
            self._evict(victim)
            victims.append(victim)
        return victims

    def _evict(self, entry: Entry) -> None:
        self.counts["evictions"] += 1
        self._unknow(entry)
        entry.medium.used -= entry.file.stride

    def _wipe(self, entries: Iterable[Entry], *, counted: bool = False) -> None:
        """Free the slots of entries that nobody knows or uses. counted: their bytes are counted as free already."""
        ordered = sorted(entries, key=lambda entry: (id(entry.file), entry.slot))
        for file, run in _runs(ordered):
            try:
                file.wipe(run[0].slot, len(run))
            except OSError as error:
                self.complain(error)
            with self.lock:
                for entry in run:
                    file.give(entry.slot)
                    entry.medium.entries -= 1
                    if not counted:
                        entry.medium.used -= file.stride

    def _spare(self, medium: Medium, size: int) -> None:
        if medium.folder is not None:
            status = os.statvfs(medium.folder)
            if status.f_bavail * status.f_frsize < self._spare_bytes + size:
                raise OSError(errno.ENOSPC, "it is nearly full")

    # --- what is known (with the lock held) --------------------------------------------------------------------------

    def _know(self, entry: Entry) -> None:
        entry.known = True
        entry.space.entries[entry.digest] = entry
        if entry.parent:
            entry.space.followers[entry.parent] += 1

    def _unknow(self, entry: Entry) -> None:
        space = entry.space
        entry.known = False
        del space.entries[entry.digest]
        self._touched.discard(entry)
        if entry.medium is self._disk and self._writer is not None:
            self._writer.remove(space.id, entry.slot)
        if not entry.parent:
            return
        space.followers[entry.parent] -= 1
        if not space.followers[entry.parent]:
            del space.followers[entry.parent]
            before = space.entries.get(entry.parent)
            if before is not None and before.may_go:
                before.medium.order.add(before)

    def _remove_space(self, space: Space) -> None:
        """Its blocks that are in use stay readable until they are released."""
        with self.lock:
            del self._spaces[space.name]
        self.delete(list(space.entries.values()))
        if space.id and self._writer is not None:
            self._writer.call(lambda index: index.remove_space(space.id))
        for file in space.files.values():
            file.remove()

    # --- the folder --------------------------------------------------------------------------------------------------

    def _open(self, folder: Path, limit: int) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            os.fchmod(self._descriptor, 0o700)
            # The kernel lets go of it when this process ends, however it ends.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("another process has the cache %s: this one keeps its own, in memory", folder)
            self._let_go()
            return
        except OSError as error:
            logger.warning("the cache %s cannot be used (%s): it is kept in memory", folder, error.strerror)
            self._let_go()
            return
        self._disk = Medium(limit, folder)
        try:
            index = self._load_or_begin(folder)
        except (IndexUnusable, OSError, sqlite3.Error) as error:
            logger.warning("the cache %s cannot be used (%s): it is kept in memory", folder, error)
            self._disk = None
            self._spaces.clear()
            self._let_go()
            return
        self._writer = BlockWriter(index, self.unpin, self._tick)
        with self.lock:
            victims = self._make_room(self._disk, 0)
        self._wipe(victims or (), counted=True)

    def _load_or_begin(self, folder: Path) -> BlockIndex:
        try:
            return self._load(folder)
        except (IndexUnusable, OSError, sqlite3.Error) as error:
            logger.warning("the cache %s begins anew: %s", folder, error)
        self._disk = Medium(self._disk.limit if self._disk else 0, folder)
        self._spaces.clear()
        BlockIndex.delete(folder)
        for path in folder.glob("*.blocks"):
            path.unlink()
        return self._load(folder)

    def _load(self, folder: Path) -> BlockIndex:
        index = BlockIndex.open(folder)
        try:
            begin = time.perf_counter()
            lost = self._read(index, folder)
            self._counted = index.counters()
            self.counts.update(self._counted)
            with index.transaction():
                index.forget_fulfilled()
                for wish in index.wishes():  # which the last server did not live to fulfil
                    chosen = self._chosen(wish.owner, wish.digest)
                    self.delete(chosen)
                    lost += [(entry.space.id, entry.slot) for entry in chosen]
                    index.fulfil(wish.id, len(chosen))
                index.remove(lost)
            if lost:
                index.forget_deleted()
            entries = sum(len(space.entries) for space in self._spaces.values())
            logger.debug("the cache %s has %d blocks, read in %.3f s", folder, entries, time.perf_counter() - begin)
        except BaseException:
            index.close()
            raise
        return index

    def _read(self, index: BlockIndex, folder: Path) -> list[tuple[int, int]]:
        """Take over what the index says and the files can hold. Gives the space and slot of what they cannot."""
        assert self._disk is not None
        spaces: dict[int, tuple[Space, BlockFile, dict[int, int], set[int]]] = {}
        for found in index.spaces():
            space, file = self._restored(found, folder)
            spaces[space.id] = (space, file, file.found(), set())
        rows, lost = index.rows()
        for row in rows:
            held = spaces.get(row.space)
            if held is None:
                lost.append((row.space, row.slot))
                continue
            space, file, sizes, slots = held
            segment, place = divmod(row.slot, file.per_segment)
            fits = row.slot >= 0 and (place + 1) * file.stride <= sizes.get(segment, 0)
            if not fits or row.slot in slots or row.digest in space.entries:
                lost.append((row.space, row.slot))
                continue
            slots.add(row.slot)
            entry = Entry(space, self._disk, file, row.slot)
            entry.digest, entry.parent, entry.owner = row.digest, row.parent, row.owner
            entry.checksum, entry.used = row.checksum, row.used
            self._know(entry)
            self._disk.used += file.stride
            self._disk.entries += 1
            self._clock = max(self._clock, row.used)
        for space, file, _, slots in spaces.values():
            file.restore(slots)
            for entry in space.entries.values():
                if entry.may_go:
                    self._disk.order.add(entry)
        ours = tuple(f"{space.name}." for space, *_ in spaces.values())
        for path in folder.glob("*.blocks"):
            if not path.name.startswith(ours or "\0"):
                path.unlink()
        if lost:
            logger.warning("the cache %s has lost %d blocks: its files are damaged", folder, len(lost))
        return lost

    def _restored(self, row: SpaceRow, folder: Path) -> tuple[Space, BlockFile]:
        if not _NAME.fullmatch(row.name):
            raise IndexUnusable("a row of its spaces is damaged")
        assert self._disk is not None
        space = Space(self, row.id, row.name, row.block_bytes)
        file = BlockFile(row.block_bytes, folder, row.name, row.segment_bytes)
        space.files = {self._disk: file, self._memory: BlockFile(row.block_bytes, segment_bytes=self._segment_bytes)}
        self._spaces[row.name] = space
        return space, file

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    # --- in the writer's thread --------------------------------------------------------------------------------------

    def _tick(self, index: BlockIndex) -> None:
        """Fulfil what other processes wish, and write down what was used."""
        version = index.data_version
        if version != self._seen:
            self._seen = version
            for wish in index.wishes():
                deleted = self.clear(owner=wish.owner, digest=wish.digest)
                assert self._writer is not None
                # After the rows are deleted, which is queued before this.
                self._writer.later(_fulfil(wish.id, deleted))
        with self.lock:
            if time.monotonic() - self._touched_at < USED_SECONDS:
                return
            self._touched_at = time.monotonic()
            used = [(entry.used, entry.space.id, entry.slot) for entry in self._touched]
            self._touched.clear()
            counts = {name: self.counts[name] for name in COUNTERS}
        if used or counts != self._counted:
            with index.transaction():
                index.set_used(used)
                index.set_counters(counts)
            self._counted = counts

    def _complain(self, kind: str, text: str, *values: object) -> None:
        """Once a minute of one kind: what fails, fails for every block."""
        now = time.monotonic()
        with self.lock:
            if now - self._complained.get(kind, -COMPLAINT_SECONDS) < COMPLAINT_SECONDS:
                return
            self._complained[kind] = now
        logger.warning(text, *values)


def _runs(entries: list[Entry]) -> Iterator[tuple[BlockFile, list[Entry]]]:
    """Cut into runs of neighbours: taking back many slots at once is as cheap as one."""
    run: list[Entry] = []
    for entry in entries:
        if run and (entry.file is not run[0].file or entry.slot != run[-1].slot + 1):
            yield run[0].file, run
            run = []
        run.append(entry)
    if run:
        yield run[0].file, run


def _forget_deleted(index: BlockIndex) -> None:
    try:
        index.forget_deleted()
    except sqlite3.Error as error:
        logger.debug("the cache's log is kept: %s", error)


def _fulfil(wish: int, deleted: int) -> Callable[[BlockIndex], None]:
    def work(index: BlockIndex) -> None:
        try:
            index.fulfil(wish, deleted)
        except sqlite3.Error as error:
            logger.warning("what was deleted from the cache cannot be told: %s", error)

    return work
