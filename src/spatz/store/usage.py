"""Tokens used, by key, day, model and whether it was a batch: one row for each of these, however many requests.

Written by the server's usage recorder, read by its listing and by `spatz usage`. Days are of UTC and are kept for
DAYS_KEPT days, so the table has at most that many rows for each key, model and kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, String, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from spatz.store.db import metadata

__all__ = [
    "DAYS_KEPT",
    "DAY_SECONDS",
    "Counts",
    "UsageKey",
    "UsageRow",
    "add_usage",
    "drop_old_usage",
    "read_usage",
    "usage_days",
]

DAY_SECONDS = 86_400
DAYS_KEPT = 400  # a year, and some days to look back on it

usage_days = Table(
    "usage_days",
    metadata,
    Column("owner", String(64), primary_key=True),  # the key's id, "" for a server without keys
    Column("day", Integer, primary_key=True),  # days since 1970-01-01, UTC
    Column("model", String(512), primary_key=True),
    Column("batch", Boolean, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),  # with the cached ones
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
)

COUNTS = ("requests", "input_tokens", "cached_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class UsageKey:
    owner: str
    day: int
    model: str
    batch: bool


@dataclass(slots=True)
class Counts:
    requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def add(self, other: Counts) -> None:
        self.requests += other.requests
        self.input_tokens += other.input_tokens
        self.cached_tokens += other.cached_tokens
        self.output_tokens += other.output_tokens


UsageRow = tuple[UsageKey, Counts]


def add_usage(connection: Connection, added: Mapping[UsageKey, Counts]) -> None:
    """Add to what is there: several servers may share a database."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # In one order everywhere: two servers that write the same rows wait for each other, and never crosswise.
    for key in sorted(added, key=lambda key: (key.owner, key.day, key.model, key.batch)):
        counts = {name: getattr(added[key], name) for name in COUNTS}
        statement = make(usage_days).values(owner=key.owner, day=key.day, model=key.model, batch=key.batch, **counts)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[usage_days.c.owner, usage_days.c.day, usage_days.c.model, usage_days.c.batch],
                set_={name: usage_days.c[name] + statement.excluded[name] for name in COUNTS},
            )
        )


def drop_old_usage(connection: Connection, today: int) -> None:
    connection.execute(delete(usage_days).where(usage_days.c.day <= today - DAYS_KEPT))


def read_usage(
    connection: Connection,
    first_day: int,
    end_day: int,
    *,
    owners: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    batch: bool | None = None,
) -> list[UsageRow]:
    """first_day <= day < end_day, oldest first. None: all."""
    query = select(usage_days).where(usage_days.c.day >= first_day, usage_days.c.day < end_day)
    if owners is not None:
        query = query.where(usage_days.c.owner.in_(owners))
    if models is not None:
        query = query.where(usage_days.c.model.in_(models))
    if batch is not None:
        query = query.where(usage_days.c.batch == batch)
    query = query.order_by(usage_days.c.day, usage_days.c.owner, usage_days.c.model, usage_days.c.batch)
    return [
        (
            UsageKey(row.owner, row.day, row.model, row.batch),
            Counts(row.requests, row.input_tokens, row.cached_tokens, row.output_tokens),
        )
        for row in connection.execute(query)
    ]
