"""The store of KV blocks, on disk and in memory: addressed by what they hold, found again after a restart.

One for each server process. A `Space` holds blocks of one size. Blocks lie in mapped files of the folder, up to a limit
in bytes over all spaces; where the disk gives no room (it is full, the limit is taken by blocks in use, another process
has the folder, or there is none) they lie in memory, up to another limit, and after that a request gets a 503. When
room is needed the longest unused block goes, of a chain the last (block_order.py).

The index (block_index.py) is written by a thread of its own and read when the store opens (block_folder.py). Nothing in
the folder is trusted, and a block is checked when it is first read. What is deleted is wiped from its file.

One lock guards what is known of blocks. Nothing that takes longer than some microseconds is done under it: room is
counted first and then made.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from spatz.context.block import Entry
from spatz.context.block_file import SEGMENT_BYTES, BlockFile
from spatz.context.block_folder import SPACE_NAME, BlockFolder
from spatz.context.block_index import COUNTERS, FAILURES, BlockIndex, SpaceRow
from spatz.context.block_medium import Medium
from spatz.context.block_space import Space
from spatz.context.block_stats import BlockStats, Share
from spatz.context.block_writer import BlockWriter
from spatz.errors import OverloadedError

__all__ = ["BlockStore"]

SPARE_BYTES = 256 << 20  # of the disk that the cache leaves to others: the database has to be written, too
TRIES = 4  # evictions for one block where the disk has no room although the limit leaves some
USED_SECONDS = 10.0  # how old the index's knowledge of what was used may be
COMPLAINT_SECONDS = 60.0

logger = logging.getLogger("spatz.cache")


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
        """folder: made if need be, and for this process alone; None, or no limit_bytes: everything lies in memory."""
        self.lock = threading.RLock()
        self.counts: Counter[str] = Counter()
        self._making = threading.Lock()  # of spaces; `lock` is not held meanwhile, for the writer needs it
        self._segment_bytes = segment_bytes
        self._spaces: dict[str, Space] = {}
        self._memory = Medium(memory_bytes)
        self._disk: Medium | None = None
        self._folder: BlockFolder | None = None
        self._writer: BlockWriter | None = None
        self._clock = 0
        self._touched: set[Entry] = set()
        self._touched_at = 0.0
        self._counted: dict[str, int] = {}  # as the index has it
        self._seen = -1  # version of the index: another one when somebody else has written
        self._complained: dict[str, float] = {}
        self._closed = False
        if folder is not None and limit_bytes > 0:
            self._open(BlockFolder(folder), Medium(limit_bytes, folder, spare_bytes))

    def _open(self, folder: BlockFolder, disk: Medium) -> None:
        if not folder.hold():
            return
        found = folder.read(disk, self._restored)
        if found is None:
            folder.let_go()
            return
        self._spaces = found.spaces
        self._folder, self._disk = folder, disk
        self._counted = found.counters
        self.counts.update(found.counters)
        entries = [entry for space in self._spaces.values() for entry in space.entries.values()]
        self._clock = max((entry.used for entry in entries), default=0)
        self._writer = BlockWriter(found.index, self._tick)
        self._writer.start()
        self._make_room(disk, 0)  # the limit may be another one than last time
        logger.debug("the cache %s has %d blocks", folder.path, len(entries))

    def _restored(self, row: SpaceRow, disk: Medium, file: BlockFile) -> Space:
        space = Space(self, row.id, row.name, row.block_bytes)
        space.files = {disk: file, self._memory: BlockFile(row.block_bytes, segment_bytes=self._segment_bytes)}
        return space

    @property
    def on_disk(self) -> bool:
        """Whether blocks are found again after a restart."""
        return self._disk is not None

    def space(self, name: str, block_bytes: int) -> Space:
        """The space of that name, made if need be. What a space of that name but another size held is deleted."""
        if not SPACE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a space")
        with self._making:
            space = self._spaces.get(name)
            if space is not None and space.block_bytes == block_bytes:
                return space
            if space is not None:
                self._remove_space(space)
            space = Space(self, 0, name, block_bytes)
            if self._disk is not None and self._writer is not None:
                try:
                    space.id = self._writer.call(lambda index: index.add_space(name, block_bytes, self._segment_bytes))
                except FAILURES as error:
                    self.complain("index", "the cache keeps %s in memory: its index fails (%s)", name, error)
                else:
                    space.files[self._disk] = BlockFile(block_bytes, self._disk.folder, name, self._segment_bytes)
            space.files[self._memory] = BlockFile(block_bytes, segment_bytes=self._segment_bytes)
            with self.lock:
                self._spaces[name] = space
            return space

    def clear(self, *, owner: str | None = None, digest: bytes | None = None) -> int:
        """Delete the owner's entries, those with this address, or all. Gives how many.

        What is in use is not found any more, and wiped when it is released.
        """
        with self.lock:
            chosen = [
                entry
                for space in self._spaces.values()
                for entry in space.entries.values()
                if owner in (None, entry.owner) and digest in (None, entry.digest)
            ]
        self.delete(chosen)
        if chosen and self._writer is not None:
            self._writer.later(BlockIndex.forget_deleted)
        return len(chosen)

    def flush(self) -> None:
        """Wait until the index has all that was committed."""
        if self._writer is not None:
            self._writer.call(lambda index: None)

    def stats(self) -> BlockStats:
        with self.lock:
            spaces = {space.name: Share() for space in self._spaces.values()}
            owners: dict[str, Share] = {}
            for space in self._spaces.values():
                for entry in space.entries.values():
                    spaces[space.name].add(space.block_bytes)
                    owners.setdefault(entry.owner, Share()).add(space.block_bytes)
            return BlockStats(
                on_disk=self.on_disk,
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
        """Write down what is to be kept. No block may be used any more: the folder is free for others."""
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
        if self._folder is not None:
            self._folder.let_go()

    def __enter__(self) -> BlockStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- for spaces --------------------------------------------------------------------------------------------------

    def take(self, space: Space, *, disk: bool = True) -> Entry:
        """A pinned entry without an address. Raises OverloadedError."""
        for medium, file in space.files.items():
            if self._closed or not (disk or medium is self._memory):
                continue
            entry = self._take(space, medium, file)
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
            entry.digest, entry.owner = digest, owner
            entry.parent = parent if parent != digest else b""
            entry.checked = True  # nobody but this process has written it
            self._clock += 1
            entry.used = self._clock
            if digest in entry.space.entries:
                return
            entry.space.know(entry)
            if entry.medium is self._disk and self._writer is not None:
                self._writer.put(entry)

    def touch(self, entries: list[Entry]) -> None:
        with self.lock:
            self._clock += len(entries)
            for place, entry in enumerate(entries):
                entry.used = self._clock - place
                entry.medium.may_go(entry)
            if self._writer is not None:
                self._touched.update(entry for entry in entries if entry.known and entry.medium is self._disk)

    def unpin(self, entry: Entry) -> None:
        with self.lock:
            entry.pins -= 1
            if entry.known:
                entry.medium.may_go(entry)
            if entry.known or entry.pins:
                return
        self._wipe([entry])

    def delete(self, entries: Iterable[Entry]) -> None:
        with self.lock:
            known = [entry for entry in entries if entry.known]
            for entry in known:
                self._forget(entry)
            unused = [entry for entry in known if not entry.pins]
        self._wipe(unused)

    def damaged(self, entry: Entry) -> None:
        """A pinned entry is not what was written."""
        with self.lock:
            self.counts["damaged"] += 1
            if entry.known:
                self._forget(entry)
        self.complain("damaged", "a block of the cache (%s) is damaged and dropped", entry.space.name)

    def complain(self, kind: str, text: str, *values: object) -> None:
        """Log a warning, once a minute of one kind: what fails, fails for every block."""
        now = time.monotonic()
        with self.lock:
            if now - self._complained.get(kind, -COMPLAINT_SECONDS) < COMPLAINT_SECONDS:
                return
            self._complained[kind] = now
        logger.warning(text, *values)

    # --- room --------------------------------------------------------------------------------------------------------

    def _take(self, space: Space, medium: Medium, file: BlockFile) -> Entry | None:
        for _ in range(TRIES):
            if not self._make_room(medium, file.stride):
                return None
            with self.lock:
                entry = Entry(space, medium, file, file.take())
            entry.pins = 1
            try:
                medium.check_disk(file.stride)
                file.allocate(entry.slot)
            except OSError as error:
                self._wipe([entry])
                self.complain("full", "the cache's disk gives no more room (%s)", error.strerror)
                with self.lock:
                    victim = self._evict(medium)
                if victim is None:
                    return None
                self._wipe([victim])
            else:
                return entry
        return None

    def _make_room(self, medium: Medium, size: int) -> bool:
        """Count size bytes as taken, after evicting what has to go for them. False: too much of it is in use."""
        victims: list[Entry] = []
        freed = 0
        with self.lock:
            while medium.used - freed + size > medium.limit:
                victim = self._evict(medium)
                if victim is None:
                    break
                freed += victim.file.stride
                victims.append(victim)
            room = medium.used - freed + size <= medium.limit
            if room and size:
                medium.used += size
                medium.entries += 1
        self._wipe(victims)
        return room

    def _evict(self, medium: Medium) -> Entry | None:
        """With the lock held: the next to go, unknown from now on and to be wiped."""
        victim = medium.next_to_go()
        if victim is not None:
            self.counts["evictions"] += 1
            self._forget(victim)
        return victim

    def _forget(self, entry: Entry) -> None:
        """With the lock held."""
        entry.space.forget(entry)
        self._touched.discard(entry)
        if entry.medium is self._disk and self._writer is not None:
            self._writer.remove(entry.space.id, entry.slot)

    def _wipe(self, entries: Iterable[Entry]) -> None:
        """Free the slots of entries that nobody knows or uses."""
        for file, run in _runs(sorted(entries, key=lambda entry: (id(entry.file), entry.slot))):
            try:
                file.wipe(run[0].slot, len(run))
            except OSError as error:
                self.complain("wipe", "deleted blocks cannot be wiped from the cache's disk (%s)", error.strerror)
            with self.lock:
                for entry in run:
                    file.give(entry.slot)
                    entry.medium.entries -= 1
                    entry.medium.used -= file.stride

    def _remove_space(self, space: Space) -> None:
        """Its blocks that are in use stay readable until they are released."""
        with self.lock:
            del self._spaces[space.name]
        self.delete(list(space.entries.values()))
        if space.id and self._writer is not None:
            self._writer.call(lambda index: index.remove_space(space.id))
        for file in space.files.values():
            file.remove()

    # --- in the writer's thread --------------------------------------------------------------------------------------

    def _tick(self, writer: BlockWriter, index: BlockIndex) -> None:
        """Fulfil what other processes wish, and write down what was used."""
        version = index.data_version
        if version != self._seen:
            for wish in index.wishes():
                deleted = self.clear(owner=wish.owner, digest=wish.digest)
                writer.later(_fulfil(wish.id, deleted))  # after the rows are deleted, which is queued before this
            self._seen = version
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


def _fulfil(wish: int, deleted: int) -> Callable[[BlockIndex], None]:
    return lambda index: index.fulfil(wish, deleted)
