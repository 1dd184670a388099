"""Batches as their owners see them, and how a process gets one to run.

A batch is run by one process at a time, the one that holds its lease (batch_hold.py).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.sql.dml import Update

from spatz.store.batch_hold import LEASE_SECONDS, Hold
from spatz.store.batch_tables import UNFINISHED, Batch, batches
from spatz.store.db import Database

__all__ = ["Batches"]

DAY = 86_400


class Batches:
    def __init__(self, database: Database) -> None:
        self._database = database

    # --- for the owner -----------------------------------------------------------------------------------------------

    async def create(
        self,
        *,
        owner: str,
        owner_name: str,
        endpoint: str,
        input_file_id: str,
        metadata: Mapping[str, str] | None = None,
        output_seconds: int | None = None,
        completion_window: str = "24h",
        seconds: int | None = DAY,
        most: int | None = None,
    ) -> Batch | None:
        """seconds: until it expires. None is given back when the owner has `most` unfinished batches already."""
        now = int(time.time())
        row = {
            "id": "batch_" + secrets.token_hex(12),
            "owner": owner,
            "owner_name": owner_name,
            "endpoint": endpoint,
            "input_file_id": input_file_id,
            "completion_window": completion_window,
            "metadata": None if metadata is None else json.dumps(metadata),
            "output_seconds": output_seconds,
            "status": "validating",
            **dict.fromkeys(("total", "completed", "failed"), 0),
            **dict.fromkeys(("input_tokens", "cached_tokens", "output_tokens", "stored"), 0),
            "created_at": now,
            "expires_at": None if seconds is None else now + seconds,
            "lease_holder": "",
            "lease_until": 0,
        }

        def work(connection: Connection) -> Batch | None:
            waiting = select(func.count()).where(batches.c.owner == owner, batches.c.status.in_(UNFINISHED))
            if most is not None and connection.execute(waiting).scalar_one() >= most:
                return None
            connection.execute(insert(batches).values(row))
            return _find(connection, owner, str(row["id"]))

        return await self._database.run(work)

    async def find(self, owner: str, batch_id: str) -> Batch | None:
        return await self._database.read(lambda connection: _find(connection, owner, batch_id))

    async def list(self, owner: str, *, after: Batch | None, limit: int) -> tuple[Sequence[Batch], bool]:
        """The newest first, up to limit, and whether there are more."""
        query = select(batches).where(batches.c.owner == owner)
        if after is not None:
            query = query.where(batches.c.number < after.number)
        query = query.order_by(batches.c.number.desc()).limit(limit + 1)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Batch(*row) for row in rows[:limit]], len(rows) > limit

    async def cancel(self, owner: str, batch_id: str) -> Batch | None:
        """The batch as it is afterwards: cancelling, if it was still validating or in progress."""

        def work(connection: Connection) -> Batch | None:
            connection.execute(
                update(batches)
                .where(batches.c.id == batch_id, batches.c.owner == owner)
                .where(batches.c.status.in_(("validating", "in_progress")))
                .values(status="cancelling", cancelling_at=int(time.time()))
            )
            return _find(connection, owner, batch_id)

        return await self._database.run(work)

    # --- for those who run them --------------------------------------------------------------------------------------

    async def claim(
        self, holder: str, lives: Callable[[str], bool | None], running: Container[int] = ()
    ) -> tuple[int, Hold] | None:
        """The oldest batch that nobody runs: without a holder, with one that is dead, or whose lease has run out.

        running: the numbers of those that this process runs. Gives the batch's number, too.
        """
        query = select(batches.c.number, batches.c.lease_holder, batches.c.lease_until)
        query = query.where(batches.c.status.in_(UNFINISHED)).order_by(batches.c.number)
        for number, held_by, until in await self._database.read(lambda connection: connection.execute(query).all()):
            now = int(time.time())
            if number in running:
                continue
            if held_by not in ("", holder) and until > now and lives(held_by) is not False:
                continue
            taken = (
                update(batches)
                .where(batches.c.number == number, batches.c.status.in_(UNFINISHED))
                .where(batches.c.lease_holder == held_by, batches.c.lease_until == until)
                .values(lease_holder=holder, lease_until=now + LEASE_SECONDS)
            )
            if await self._database.run(partial(_count, taken)):
                return number, Hold(self._database, number, holder)
        return None

    async def sweep(self, days: int) -> None:
        """Forget batches that ended so many days ago."""
        old = delete(batches).where(batches.c.ended_at <= int(time.time()) - days * DAY)
        await self._database.run(lambda connection: connection.execute(old))


def _count(statement: Update, connection: Connection) -> int:
    return connection.execute(statement).rowcount


def _find(connection: Connection, owner: str, batch_id: str) -> Batch | None:
    row = connection.execute(select(batches).where(batches.c.id == batch_id, batches.c.owner == owner)).first()
    return None if row is None else Batch(*row)
