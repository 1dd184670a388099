"""Filling the index from a source: what is new or has changed is read and put in, all else is only looked at.

Reading happens in processes of their own (worker.py), several at once; writing in this one, as documents come. Nothing
is lost silently: what failed, what was skipped and where a bound ended it is in the tally. Whoever interrupts it keeps
what was done.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from spatz.errors import RequestError
from spatz.inputs.document import ReadOptions
from spatz.inputs.pool import ReaderPool
from spatz.search.index.entry import NewDocument
from spatz.search.index.folder import url_of, walk
from spatz.search.index.hosts import Hosts
from spatz.search.index.index_writer import IndexWriter
from spatz.search.index.reading import Reading, reading_of
from spatz.search.index.source import Source
from spatz.search.index.tally import Tally

__all__ = ["Bounds", "Gatherer", "index_pool"]

T = TypeVar("T")

MOST_FILES = 32  # that are under way: enough for all processes, and what a pool lets wait

# What a reader says of files that are no documents: they are skipped by the thousand in any folder.
NO_DOCUMENTS = {"unsupported_file": "no text", "empty_file": "empty", "file_too_large": "too large"}


@dataclass(frozen=True, slots=True)
class Bounds:
    seconds: float = 0.0  # for all sources together; 0: none
    page_bytes: int = 4 << 20  # of one page from the network
    total_bytes: int = 2 << 30  # of all pages from the network
    parallel: int = 4  # pages of one host that may be under way


class Gatherer:
    def __init__(
        self,
        writer: IndexWriter,
        pool: ReaderPool,
        options: ReadOptions,
        bounds: Bounds,
        tally: Tally,
        hosts: Hosts | None = None,
        progress: Callable[[int, str], None] = lambda count, address: None,
    ) -> None:
        """tally: added to as it goes. hosts: None: nothing is fetched. progress: told of each that was looked at."""
        self.writer = writer
        self.tally = tally
        self.bounds = bounds
        self._progress = progress
        self.fetched_bytes = 0
        self._pool = pool
        self._options = options
        self._hosts = hosts
        self._end = time.monotonic() + bounds.seconds if bounds.seconds else None

    async def run(self, source: Source, *, prune: bool = False) -> None:
        """prune: what the source does not lead to any more is taken out, if it was gone through to its end."""
        number = self.writer.source(source)
        before = self.writer.keys(number) if prune else {}
        seen: set[str] = set()
        if source.kind in ("folder", "file"):
            whole = await self._files(source, number, seen)
        elif self._hosts is None:
            self.tally.fail(source.address, "URLs are not fetched (setting 'fetch')")
            whole = False
        else:
            from spatz.search.index.crawl import Crawl

            whole = await Crawl(self, self._hosts, source, number, seen).run()
        if not whole:
            return
        for key in before:
            if key not in seen and self.writer.forget(number, key):
                self.tally.removed += 1
        self.writer.gone_through(number)

    # --- what all sources share -------------------------------------------------------------------------------------

    def progress(self, address: str) -> None:
        self._progress(self.tally.looked_at, address)

    def out_of_time(self) -> bool:
        """Says so once."""
        if self._end is None or time.monotonic() < self._end:
            return False
        line = f"the time of {self.bounds.seconds:g} s was used up: not everything was looked at"
        if line not in self.tally.notes:
            self.tally.notes.append(line)
        return True

    async def each(self, items: Iterable[T], work: Callable[[T], Awaitable[None]], parallel: int) -> bool:
        """Some at once, in order; whether all were worked on before time ran out."""
        left = iter(items)
        whole = True

        async def some() -> None:
            nonlocal whole
            for item in left:
                if self.out_of_time():
                    whole = False
                    return
                await work(item)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(parallel):
                    group.create_task(some())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the index itself failed: one reason is enough
        return whole

    async def read(self, data: bytes, filename: str, media_type: str = "") -> Reading:
        """Raises RequestError."""
        options = replace(self._options, filename=filename, media_type=media_type)
        return reading_of(await self._pool.read(data, options, "file"))

    # --- files ------------------------------------------------------------------------------------------------------

    async def _files(self, source: Source, number: int, seen: set[str]) -> bool:
        unreadable = False

        def files() -> Iterator[Path]:
            nonlocal unreadable
            for found in walk(source):
                if isinstance(found, OSError):
                    unreadable = True  # what is in it is not known to be gone
                    self.tally.fail(str(found.filename), found.strerror or str(found))
                else:
                    yield found

        async def work(path: Path) -> None:
            await self._file(path, source, number, seen)

        whole = await self.each(files(), work, MOST_FILES)
        return whole and not unreadable

    async def _file(self, path: Path, source: Source, number: int, seen: set[str]) -> None:
        key = _key(path)
        try:
            found = self._look(path, key, source, number)
        except FileNotFoundError:
            self.tally.fail(key, "it is not there")
            if source.kind == "file":
                seen.add(key)  # nobody says that it is gone for good
            return
        except OSError as error:
            seen.add(key)
            self.tally.fail(key, error.strerror or str(error))
            return
        if found is None:
            self._seen(key, seen, "unchanged")
            return
        data, digest, status = found
        if not data:
            self._skip(number, key, NO_DOCUMENTS["empty_file" if not status.st_size else "file_too_large"])
            return
        try:
            reading = await self.read(data, path.name)
        except RequestError as error:
            if error.code in NO_DOCUMENTS:
                self._skip(number, key, NO_DOCUMENTS[error.code])
            else:
                self.tally.fail(key, error.message)
            return
        if not reading.markdown.strip():
            self._skip(number, key, "no text")
            return
        document = NewDocument(
            url=url_of(path, source),
            title=reading.title or path.name,
            markdown=reading.markdown,
            date=reading.date or datetime.fromtimestamp(status.st_mtime, UTC).date().isoformat(),
            hash=digest,
            bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
        )
        self._seen(key, seen, self.writer.put(document, number, key))

    def _look(self, path: Path, key: str, source: Source, number: int) -> tuple[bytes, str, os.stat_result] | None:
        """Its bytes and their hash, none where there are too many; None where it is as it was. Raises OSError."""
        status = path.stat()
        entry = self.writer.known(number, key)
        if entry is not None and entry.url != url_of(path, source):
            entry = None
        if entry is not None and (entry.mtime_ns, entry.bytes) == (status.st_mtime_ns, status.st_size):
            return None
        if status.st_size > self._options.max_bytes:
            return b"", "", status
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if entry is not None and entry.hash == digest:
            self.writer.touch(number, key, entry.id, status.st_mtime_ns)
            return None
        return data, digest, status

    def _seen(self, key: str, seen: set[str], put: str) -> None:
        seen.add(key)
        self.tally.count(put)
        self.progress(key)

    def _skip(self, number: int, key: str, why: str) -> None:
        """What it was before is not there any more."""
        if self.writer.forget(number, key):
            self.tally.removed += 1
        self.tally.skipped[why] += 1
        self.progress(key)


def _key(path: Path) -> str:
    """A path as text that can be stored, whatever bytes are in it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def index_pool(*, workers: int, seconds: float, memory_mb: int) -> ReaderPool:
    """Processes that read for the index."""
    command = (sys.executable, "-P", "-m", "spatz.search.index.worker")
    return ReaderPool(workers=workers, seconds=seconds, memory_mb=memory_mb, command=command)
