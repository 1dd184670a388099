"""Stored responses: the object, the items that went in and came out, and the events of those run in the background.

Objects and items are JSON texts here: what is in them is the server's business (server/responses_answer.py). A response
may continue another; the chain is followed upwards in one statement. Everything belongs to an owner, and what has
expired is as good as gone, also before it is swept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from spatz.store.db import metadata

__all__ = [
    "MAX_CHAIN",
    "Chain",
    "Stored",
    "StoredItem",
    "add",
    "chain",
    "delete_expired",
    "events",
    "find_items",
    "finish",
    "get",
    "input_items",
    "remove",
    "set_status",
    "unfinished",
]

MAX_CHAIN = 1_000  # responses that continue one another
REFRESH = 86_400  # seconds: a chain in use is kept, at the price of one write of its older part a day

responses = Table(
    "responses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("status", Text, nullable=False, index=True),
    Column("runner", Text, nullable=False),  # the process that runs it in the background
    Column("previous", Text),
    Column("depth", Integer, nullable=False),  # 1: continues no other
    Column("body", Text, nullable=False),
    Column("events", LargeBinary),
)
response_items = Table(
    "response_items",
    metadata,
    Column("response", Text, ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("output", Boolean, nullable=False),
    Column("id", Text, nullable=False, index=True),
    Column("body", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoredItem:
    id: str
    body: str


@dataclass(frozen=True, slots=True)
class Stored:
    id: str
    status: str
    body: str


@dataclass(frozen=True, slots=True)
class Chain:
    """All items of a response and those before it, oldest first. broken: one of them is there no more."""

    status: str
    depth: int
    size: int  # characters of all items; above the limit that was given, items is empty
    items: tuple[str, ...] = ()
    broken: bool = False


def add(
    connection: Connection,
    owner: str,
    response: Stored,
    items: Sequence[StoredItem],
    output: Sequence[StoredItem] = (),
    *,
    expires_at: int,
    previous: str | None = None,
    depth: int = 1,
    runner: str = "",
) -> None:
    """items: of the input. The output of one that has not ended yet comes with `finish`."""
    connection.execute(
        insert(responses).values(
            id=response.id,
            owner=owner,
            expires_at=expires_at,
            status=response.status,
            runner=runner,
            previous=previous,
            depth=depth,
            body=response.body,
        )
    )
    _add_items(connection, response.id, items, 0, output=False)
    _add_items(connection, response.id, output, len(items), output=True)
    if previous is not None:
        older = _ancestors(owner, previous)
        connection.execute(
            update(responses)
            .where(responses.c.id.in_(select(older.c.id)), responses.c.expires_at < expires_at - REFRESH)
            .values(expires_at=expires_at)
        )


def finish(connection: Connection, response: Stored, output: Sequence[StoredItem], events: bytes | None = None) -> bool:
    """False, and nothing is written, where it is there no more or has ended already (cancelled)."""
    changed = connection.execute(
        update(responses)
        .where(responses.c.id == response.id, responses.c.status.in_(("queued", "in_progress")))
        .values(status=response.status, body=response.body, events=events)
    )
    if not changed.rowcount:
        return False
    place = connection.execute(
        select(func.coalesce(func.max(response_items.c.place), -1)).where(response_items.c.response == response.id)
    ).scalar_one()
    _add_items(connection, response.id, output, place + 1, output=True)
    return True


def set_status(connection: Connection, response: Stored) -> None:
    """Of one that runs: queued to in_progress."""
    connection.execute(
        update(responses)
        .where(responses.c.id == response.id, responses.c.status == "queued")
        .values(status=response.status, body=response.body)
    )


def get(connection: Connection, owner: str, id: str, now: int) -> Stored | None:
    row = connection.execute(
        select(responses.c.status, responses.c.body).where(*_visible(owner, id, now))
    ).one_or_none()
    return None if row is None else Stored(id, row.status, row.body)


def events(connection: Connection, owner: str, id: str, now: int) -> bytes | None:
    """The stream of one that ran in the background, as it was given to `finish`."""
    found: bytes | None = connection.execute(
        select(responses.c.events).where(*_visible(owner, id, now))
    ).scalar_one_or_none()
    return found


def remove(connection: Connection, owner: str, id: str) -> bool:
    found = connection.execute(delete(responses).where(responses.c.id == id, responses.c.owner == owner))
    return bool(found.rowcount)


def unfinished(connection: Connection) -> list[tuple[str, Stored]]:
    """(runner, response) of those that are queued or in progress. Their process may be gone."""
    rows = connection.execute(
        select(responses.c.runner, responses.c.id, responses.c.status, responses.c.body).where(
            responses.c.status.in_(("queued", "in_progress"))
        )
    )
    return [(row.runner, Stored(row.id, row.status, row.body)) for row in rows]


def chain(connection: Connection, owner: str, id: str, now: int, max_size: int) -> Chain | None:
    """What a response that continues this one begins with. None: there is no such response."""
    last = connection.execute(
        select(responses.c.status, responses.c.depth).where(*_visible(owner, id, now))
    ).one_or_none()
    if last is None:
        return None
    older = _ancestors(owner, id)
    found, size = connection.execute(
        select(
            func.count(older.c.id.distinct()), func.coalesce(func.sum(func.length(response_items.c.body)), 0)
        ).select_from(older.outerjoin(response_items, response_items.c.response == older.c.id))
    ).one()
    if found != last.depth or size > max_size:
        return Chain(last.status, last.depth, int(size), broken=found != last.depth)
    items = connection.execute(
        select(response_items.c.body)
        .join(older, response_items.c.response == older.c.id)
        .order_by(older.c.depth, response_items.c.place)
    ).scalars()
    return Chain(last.status, last.depth, int(size), tuple(items))


def input_items(connection: Connection, owner: str, id: str, now: int) -> list[StoredItem] | None:
    """Everything that this response was an answer to, oldest first, as far as it is still stored."""
    if get(connection, owner, id, now) is None:
        return None
    older = _ancestors(owner, id)
    rows = connection.execute(
        select(response_items.c.id, response_items.c.body)
        .join(older, response_items.c.response == older.c.id)
        .where((older.c.id != id) | ~response_items.c.output)
        .order_by(older.c.depth, response_items.c.place)
    )
    return [StoredItem(row.id, row.body) for row in rows]


def find_items(connection: Connection, owner: str, ids: Sequence[str], now: int) -> dict[str, str]:
    """Items of any of the owner's responses, by id."""
    rows = connection.execute(
        select(response_items.c.id, response_items.c.body)
        .join(responses, response_items.c.response == responses.c.id)
        .where(response_items.c.id.in_(ids), responses.c.owner == owner, responses.c.expires_at > now)
    )
    return {row.id: row.body for row in rows}


def delete_expired(connection: Connection, now: int, limit: int) -> int:
    """Deletes what has expired, at most so many, and gives how many they were."""
    old = select(responses.c.id).where(responses.c.expires_at <= now).limit(limit)
    return connection.execute(delete(responses).where(responses.c.id.in_(old))).rowcount


def _visible(owner: str, id: str, now: int) -> tuple[Any, ...]:
    return responses.c.id == id, responses.c.owner == owner, responses.c.expires_at > now


def _ancestors(owner: str, id: str) -> CTE:
    """The response and all that it continues: id, previous, depth. Each step goes one down in depth, so it ends."""
    start = (
        select(responses.c.id, responses.c.previous, responses.c.depth)
        .where(responses.c.id == id, responses.c.owner == owner)
        .cte("chain", recursive=True)
    )
    step = (
        select(responses.c.id, responses.c.previous, responses.c.depth)
        .join(start, responses.c.id == start.c.previous)
        .where(responses.c.owner == owner, responses.c.depth == start.c.depth - literal(1))
    )
    return start.union_all(step)


def _add_items(connection: Connection, id: str, items: Sequence[StoredItem], first: int, *, output: bool) -> None:
    rows = [
        {"response": id, "place": first + index, "output": output, "id": item.id, "body": item.body}
        for index, item in enumerate(items)
    ]
    if rows:
        connection.execute(insert(response_items), rows)
