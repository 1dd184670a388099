"""Reading as the server and the commands ask for it: what was read before is found, all else goes to the processes.

Two that ask for the same bytes at once wait for one reading. It joins cache.py and pool.py and adds nothing to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from spatz.config import Settings
from spatz.inputs.cache import DocumentCache, content_hash, reading_key
from spatz.inputs.document import LATE, Document, ReadOptions
from spatz.inputs.pool import ReaderPool
from spatz.inputs.reading import Accept, Progress, check

__all__ = ["CachedReader", "read_options", "reader_of"]


class CachedReader:
    """Belongs to an event loop. As a context manager it ends the pool's processes."""

    def __init__(self, pool: ReaderPool, cache: DocumentCache) -> None:
        self.pool = pool
        self.hits = 0
        self._cache = cache
        self._reading: dict[str, asyncio.Future[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.pool.close()

    async def find(self, content: str, options: ReadOptions, kind: Accept) -> Document | None:
        """What was read before of the bytes with this hash."""
        return await self._find(await asyncio.to_thread(reading_key, content, options, kind))

    async def _find(self, key: str) -> Document | None:
        document = self._cache.find(key) or await asyncio.to_thread(self._cache.load, key)
        if document is not None:
            self.hits += 1
            self._cache.put(key, document)
        return document

    async def read(
        self,
        data: bytes | Callable[[], Awaitable[bytes]],
        options: ReadOptions,
        kind: Accept,
        *,
        content: str = "",
        progress: Progress | None = None,
    ) -> Document:
        """data: the bytes, or what gets them when they are needed. content: their hash, which the latter needs.

        Raises InputError and OverloadedError.
        """
        if options.cut is not None:  # quick, and too much to keep; what the model makes of it is kept
            given = data if isinstance(data, bytes) else await data()
            check(given, options, kind)
            return await self.pool.read(given, options, kind, progress)
        if isinstance(data, bytes) and not content:
            content = await asyncio.to_thread(content_hash, data)
        key = await asyncio.to_thread(reading_key, content, options, kind)
        while key in self._reading:
            await asyncio.wait([self._reading[key]])
        self._reading[key] = asyncio.get_running_loop().create_future()
        try:
            document = await self._find(key)
            if document is None:
                given = data if isinstance(data, bytes) else await data()
                check(given, options, kind)  # what cannot be read at all needs no process
                document = await self.pool.read(given, options, kind, progress)
                if not any(note.code == LATE for note in document.notes):
                    await asyncio.to_thread(self._cache.save, key, document)
                    self._cache.put(key, document)
            return document
        finally:
            self._reading.pop(key).set_result(None)


def reader_of(settings: Settings) -> CachedReader:
    pool = ReaderPool(
        workers=settings.input_workers,
        seconds=settings.input_seconds,
        memory_mb=settings.input_memory_mb,
    )
    return CachedReader(pool, DocumentCache(settings.data_dir / "inputs", disk_bytes=settings.input_cache_mb << 20))


def read_options(settings: Settings) -> ReadOptions:
    """What the settings bound; what the part says is added to it."""
    return ReadOptions(
        max_pages=settings.input_pages,
        max_pixels=settings.input_megapixels * 1_000_000,
        max_bytes=settings.input_mb << 20,
        max_seconds=0.8 * settings.input_seconds,  # a part that is not finished is better than none
    )
