"""The database's keys in memory, never older than a second: what auth.py looks a request's key up in.

The table is looked at when a request comes, at most once in LIFE seconds and for all requests together, and read only
when it has changed. So a new or revoked key counts within a second, and unknown keys, however many come, cost a hash
and a look into a dict. A database that does not answer holds nobody up for longer than PATIENCE; keys that could not be
checked for STALE seconds open nothing any more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from sqlalchemy import Connection

from spatz.errors import RequestError
from spatz.store.db import Database
from spatz.store.keys import Key, Stamp, all_keys, key_hash, keys_stamp

__all__ = ["LIFE", "KeyRing"]

LIFE = 1.0
PATIENCE = 2.0
STALE = 30.0
TOUCH_SECONDS = 60  # how exact `last used` is

logger = logging.getLogger("spatz.server")


class KeyRing:
    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._touched: dict[str, int] = {}  # id -> when it was used, to be written
        self._written: dict[str, int] = {}
        self._stamp: Stamp = (-1, 0, 0)
        self._keys: dict[bytes, Key] = {}
        with database.transaction() as connection:
            self._take(self._read(connection))
        self._read_at = self._tried_at = self._began = clock()
        self._reading: asyncio.Task[None] | None = None

    @property
    def known(self) -> bool:
        """There are keys, also if they are revoked or expired: the end of the last one must not open the server."""
        return bool(self._keys)

    def find(self, text: bytes) -> Key | None:
        """The active key with this text. To be called when `refresh` has been."""
        key = self._keys.get(key_hash(text))
        now = time.time()
        if key is None or key.state(now) != "active":
            return None
        if now - self._written.get(key.id, 0) >= TOUCH_SECONDS:
            self._touched[key.id] = int(now)
        return key

    async def refresh(self) -> None:
        """Raises RequestError (503) when the keys cannot be read for long."""
        if self._clock() - self._tried_at >= LIFE:
            if self._reading is None:
                self._began = self._clock()
                self._reading = asyncio.create_task(self._refresh())
            # Of many requests one reads, and goes on reading when its client has gone, or nobody waits any more.
            await asyncio.wait({self._reading}, timeout=max(0.0, self._began + PATIENCE - self._clock()))
        if self._clock() - self._read_at > STALE:
            raise RequestError(
                "API keys cannot be checked at the moment.", status=503, type="server_error", code="service_unavailable"
            )

    async def _refresh(self) -> None:
        try:
            self._take(await self._database.read(self._read))
            self._read_at = self._clock()
        except Exception:  # whatever it is, the next request tries again
            logger.exception("the keys cannot be read")
        finally:
            self._tried_at = self._clock()
            self._reading = None

    def _read(self, connection: Connection) -> tuple[Stamp, list[Key]] | None:
        """None: nothing has changed."""
        stamp = keys_stamp(connection)
        return None if stamp == self._stamp else (stamp, all_keys(connection))

    def _take(self, found: tuple[Stamp, list[Key]] | None) -> None:
        if found is not None:
            self._stamp, keys = found
            self._keys = {key.hash: key for key in keys}
            self._written = {key.id: key.last_used_at or 0 for key in keys}

    def take_touched(self) -> dict[str, int]:
        """Key's id -> when it was used, for those whose row is out of date."""
        touched, self._touched = self._touched, {}
        self._written.update(touched)
        return touched
