"""Tokens used, on their way into the database: added up in memory, written in the background, a row for each sum.

An answer never waits for it. The first use wakes the writer, which writes what has come together WRITE_SECONDS later;
a stop writes the rest, and what a killed process loses is that long. What cannot be written is kept and tried again,
more and more seldom: it is one entry per key, day and kind, so it does not grow with the requests.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy import Connection

from spatz.engine.request import Priority, Usage
from spatz.server.caller import Caller
from spatz.server.keyring import KeyRing
from spatz.store.db import Database
from spatz.store.keys import touch_keys
from spatz.store.usage import DAY_SECONDS, Counts, UsageKey, add_usage, drop_old_usage

__all__ = ["UsageRecorder"]

WRITE_SECONDS = 0.5
MOST_SECONDS = 30.0  # between two tries while the database fails

logger = logging.getLogger("spatz.server")


class UsageRecorder:
    def __init__(self, database: Database, model: str, keys: KeyRing, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._model = model
        self._keys = keys
        self._clock = clock
        self._pending: dict[UsageKey, Counts] = {}
        self._some = asyncio.Event()
        self._writing = asyncio.Lock()
        self._cleaned = 0  # the day of the last cleaning

    def count(self, caller: Caller, usage: Usage, requests: int) -> None:
        day = int(self._clock()) // DAY_SECONDS
        key = UsageKey(caller.owner, day, self._model, caller.priority is Priority.BACKGROUND)
        self._pending.setdefault(key, Counts()).add(
            Counts(requests, usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
        )
        self._some.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        writer = asyncio.create_task(self._write_on())
        try:
            yield
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await self.flush()

    async def _write_on(self) -> None:
        pause = WRITE_SECONDS
        while True:
            await self._some.wait()
            await asyncio.sleep(pause)
            self._some.clear()
            if await self.flush():
                pause = WRITE_SECONDS
            else:
                pause = min(2 * pause, MOST_SECONDS)
                self._some.set()

    async def flush(self) -> bool:
        """Write all that was counted so far. False: it could not be, and is kept."""
        async with self._writing:
            pending, self._pending = self._pending, {}
            touched = self._keys.take_touched()
            if not pending and not touched:
                return True
            # Shielded: what has been taken out must not be lost because who asked for it has gone.
            return await asyncio.shield(asyncio.create_task(self._write(pending, touched)))

    async def _write(self, pending: dict[UsageKey, Counts], touched: dict[str, int]) -> bool:
        today = int(self._clock()) // DAY_SECONDS

        def work(connection: Connection) -> None:
            add_usage(connection, pending)
            touch_keys(connection, touched)
            if today != self._cleaned:
                drop_old_usage(connection, today)

        try:
            await self._database.run(work)
        except Exception:  # whatever it is, nothing is lost by it
            logger.exception("usage cannot be written; it will be tried again")
            for key, counts in pending.items():
                self._pending.setdefault(key, Counts()).add(counts)
            return False
        self._cleaned = today
        return True
