"""The service that deletes what has expired: stored chat completions, responses and conversations.

It begins with the server and stops with it. Each piece is a short transaction of its own, so that those who write in
between do not wait. Files and batches are swept by their runner (batches.py), usage by its recorder (usage.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from spatz.errors import SpatzError
from spatz.store import chat_completions, conversations, responses
from spatz.store.db import Database

__all__ = ["Expiry"]

SWEEP_SECONDS = 600.0
PIECE = 100  # objects of one transaction; each may have the size of a request

Delete = Callable[[Connection, int, int], int]
KINDS: Mapping[str, Delete] = {
    "chat completions": chat_completions.delete_expired,
    "responses": responses.delete_expired,
    "conversations": conversations.delete_expired,
}

logger = logging.getLogger("spatz.store")


class Expiry:
    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._pause = pause
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """Deletes all that has expired by now, and gives the disk back what it took. How much it was."""
        total = 0
        for name, delete in KINDS.items():
            count = 0
            while found := await self._database.run(partial(self._piece, delete)):
                count += found
            if count:
                logger.info("%d %s have expired", count, name)
            total += count
        if total:
            while await self._database.shrink():
                pass
        return total

    def _piece(self, delete: Delete, connection: Connection) -> int:
        return delete(connection, int(self._clock()), PIECE)

    async def _serve(self) -> None:
        while True:
            try:
                await self.sweep()
            except SpatzError as error:
                logger.error("expired objects stay: %s", error)
            except Exception:
                logger.exception("expired objects stay")
            await self._pause(SWEEP_SECONDS)
