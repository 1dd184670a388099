"""Batches and the results of their lines. Who owns a batch asks through `Batches`, who runs it through a `Hold`.

A batch is run by one process at a time, the one that holds its lease. Every write of a runner checks, in the same
transaction, that it still does; so a line's result is written once, whatever happens to processes in between. Results
live here until the batch ends, and go with the transaction that names the output files.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.dml import Update

from spatz.store.db import Database, metadata

__all__ = ["UNFINISHED", "Batch", "Batches", "Hold", "LeaseLost", "Result", "batch_results", "batches"]

UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")
LEASE_SECONDS = 30  # after which others take a batch over from a process that they cannot see
DAY = 86_400

NUMBER = BigInteger().with_variant(Integer(), "sqlite")

batches = Table(
    "batches",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("owner_name", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("input_file_id", Text, nullable=False),
    Column("completion_window", Text, nullable=False),
    Column("metadata", Text),
    Column("output_seconds", BigInteger),
    Column("status", Text, nullable=False),
    Column("model", Text),
    Column("errors", Text),
    Column("output_file_id", Text),
    Column("error_file_id", Text),
    Column("total", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("in_progress_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("finalizing_at", BigInteger),
    Column("completed_at", BigInteger),
    Column("failed_at", BigInteger),
    Column("expired_at", BigInteger),
    Column("cancelling_at", BigInteger),
    Column("cancelled_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("lease_holder", Text, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Index("ix_batches_owner", "owner", "number"),
    Index("ix_batches_ended_at", "ended_at"),
    Index("ix_batches_input_file_id", "input_file_id"),
)
batch_results = Table(
    "batch_results",
    metadata,
    Column("batch", NUMBER, ForeignKey("batches.number", ondelete="CASCADE"), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("succeeded", Boolean, nullable=False),
    Column("output", LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Batch:
    number: int
    id: str
    owner: str
    owner_name: str
    endpoint: str
    input_file_id: str
    completion_window: str
    metadata: str | None  # JSON
    output_seconds: int | None  # after which the files that it makes expire
    status: str
    model: str | None
    errors: str | None  # JSON
    output_file_id: str | None
    error_file_id: str | None
    total: int
    completed: int
    failed: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    stored: int  # bytes of the results that are not in a file yet
    created_at: int
    in_progress_at: int | None
    expires_at: int | None  # None: never
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    ended_at: int | None
    lease_holder: str  # the name of a process (instance.py), "" for none
    lease_until: int

    @property
    def ended(self) -> bool:
        return self.status not in UNFINISHED


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one line: its line of the output or of the error file, and what it cost."""

    line: int
    succeeded: bool
    output: bytes
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


class LeaseLost(Exception):
    """Another process runs the batch now."""


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


class Hold:
    """The lease of one batch. Every method renews it, and raises LeaseLost when it is another's."""

    def __init__(self, database: Database, number: int, holder: str) -> None:
        self._database = database
        self._number = number
        self._holder = holder

    async def renew(self) -> Batch:
        return await self.change()

    async def change(self, expected: str | None = None, **values: Any) -> Batch:
        """Set these columns, when the status is (still) the expected one; gives the batch as it is afterwards."""
        return await self._database.run(lambda connection: self._change(connection, expected, values))

    async def record(self, results: Sequence[Result]) -> Batch:
        """Results of lines that have none, counted."""

        def work(connection: Connection) -> Batch:
            batch = self._change(
                connection,
                None,
                {
                    "completed": batches.c.completed + sum(result.succeeded for result in results),
                    "failed": batches.c.failed + sum(not result.succeeded for result in results),
                    "stored": batches.c.stored + sum(len(result.output) for result in results),
                    "input_tokens": batches.c.input_tokens + sum(result.input_tokens for result in results),
                    "cached_tokens": batches.c.cached_tokens + sum(result.cached_tokens for result in results),
                    "output_tokens": batches.c.output_tokens + sum(result.output_tokens for result in results),
                },
            )
            columns = ("line", "succeeded", "output")
            rows = [
                {"batch": self._number} | {name: value for name, value in asdict(result).items() if name in columns}
                for result in results
            ]
            if rows:
                connection.execute(insert(batch_results), rows)
            return batch

        return await self._database.run(work)

    async def done(self) -> set[int]:
        """The lines that have results."""
        query = select(batch_results.c.line).where(batch_results.c.batch == self._number)
        return await self._database.read(lambda connection: set(connection.execute(query).scalars()))

    async def results(self, after: int, limit: int) -> Sequence[tuple[int, bool, bytes]]:
        """(line, whether it succeeded, its output), by line."""
        query = select(batch_results.c.line, batch_results.c.succeeded, batch_results.c.output)
        query = query.where(batch_results.c.batch == self._number, batch_results.c.line > after)
        query = query.order_by(batch_results.c.line).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [(line, succeeded, bytes(output)) for line, succeeded, output in rows]

    async def end(self, also: Callable[[Connection], None] = lambda connection: None, **values: Any) -> Batch:
        """The batch has ended; its results are no longer needed. also: more for the same transaction."""

        def work(connection: Connection) -> Batch:
            batch = self._change(connection, None, {**values, "ended_at": int(time.time()), "stored": 0})
            connection.execute(delete(batch_results).where(batch_results.c.batch == self._number))
            also(connection)
            return batch

        return await self._database.run(work)

    async def release(self) -> None:
        """Let others take it at once."""
        own = update(batches).where(batches.c.number == self._number, batches.c.lease_holder == self._holder)
        free = own.values(lease_holder="", lease_until=0)
        await self._database.run(lambda connection: connection.execute(free))

    def _change(self, connection: Connection, expected: str | None, values: Mapping[str, Any]) -> Batch:
        own = batches.c.number == self._number
        row = connection.execute(select(batches).where(own).with_for_update()).first()
        if row is None or row.lease_holder != self._holder:
            raise LeaseLost
        if expected is not None and row.status != expected:
            values = {}
        lease = {"lease_until": int(time.time()) + LEASE_SECONDS}
        changed = update(batches).where(own).values({**values, **lease}).returning(batches)
        return Batch(*connection.execute(changed).one())


def _count(statement: Update, connection: Connection) -> int:
    return connection.execute(statement).rowcount


def _find(connection: Connection, owner: str, batch_id: str) -> Batch | None:
    row = connection.execute(select(batches).where(batches.c.id == batch_id, batches.c.owner == owner)).first()
    return None if row is None else Batch(*row)
