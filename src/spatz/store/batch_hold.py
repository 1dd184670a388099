"""The lease of one batch: what the process that runs it does to it in the database.

Every write checks, in the same transaction, that the lease is still held; so a line's result is written once, whatever
happens to processes in between. Results live here until the batch ends, and go with the transaction that names its
files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from spatz.store.batch_tables import Batch, Result, batch_results, batches
from spatz.store.db import Database

__all__ = ["LEASE_SECONDS", "Hold", "LeaseLost"]

LEASE_SECONDS = 30  # after which others take a batch over from a process that they cannot see


class LeaseLost(Exception):
    """Another process runs the batch now."""


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
