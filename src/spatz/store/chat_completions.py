"""Stored chat completions: what was answered, what was asked, and the metadata that they are found by.

Functions of a connection, each for one owner: nothing of another's is found, and nothing
that has expired, also before it is swept. Order is that of storing, by `number`.
What the objects mean is the routes' business; here they are JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, Integer, Table, Text, delete, insert, select

from spatz.store.db import metadata

__all__ = ["StoredChat", "add", "chats", "delete_expired", "delete_one", "get", "page", "set_labels"]

NUMBER = BigInteger().with_variant(Integer(), "sqlite")

chats = Table(
    "chat_completions",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("completion", Text, nullable=False),
    Column("messages", Text, nullable=False),
    Index("ix_chat_completions_owner", "owner", "number"),
)
labels = Table(
    "chat_completion_metadata",
    metadata,
    Column("completion", NUMBER, ForeignKey(chats.c.number, ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoredChat:
    id: str
    model: str
    completion: str  # JSON: the object that was answered, with what was asked beside the messages
    messages: str  # JSON: the list that was asked
    labels: Mapping[str, str]  # the API's metadata


def add(connection: Connection, owner: str, chat: StoredChat, expires_at: int) -> None:
    row = {
        "id": chat.id,
        "owner": owner,
        "model": chat.model,
        "expires_at": expires_at,
        "completion": chat.completion,
        "messages": chat.messages,
    }
    number = connection.execute(insert(chats).values(row).returning(chats.c.number)).scalar_one()
    _add_labels(connection, number, chat.labels)


def get(connection: Connection, owner: str, chat_id: str, *, now: int) -> StoredChat | None:
    found = page(connection, owner, chat_id=chat_id, limit=1, now=now)
    return found[0] if found else None


def page(
    connection: Connection,
    owner: str,
    *,
    now: int,
    limit: int,
    after: str | None = None,
    newest_first: bool = False,
    model: str | None = None,
    wanted: Mapping[str, str] | None = None,
    chat_id: str | None = None,
) -> list[StoredChat]:
    """At most `limit` of those that have not expired, in order.

    after: the id of the last one of the page before. Raises KeyError where it is unknown. wanted: labels that all have
    to be there.
    """
    query = select(chats).where(chats.c.owner == owner, chats.c.expires_at > now).limit(limit)
    if after is not None:
        last = connection.execute(
            select(chats.c.number).where(chats.c.owner == owner, chats.c.id == after)
        ).scalar_one_or_none()
        if last is None:
            raise KeyError(after)
        query = query.where(chats.c.number < last if newest_first else chats.c.number > last)
    if model is not None:
        query = query.where(chats.c.model == model)
    if chat_id is not None:
        query = query.where(chats.c.id == chat_id)
    for key, value in (wanted or {}).items():
        having = select(labels.c.completion).where(labels.c.key == key, labels.c.value == value)
        query = query.where(chats.c.number.in_(having))
    rows = connection.execute(query.order_by(chats.c.number.desc() if newest_first else chats.c.number)).all()
    by_number = _labels(connection, [row.number for row in rows])
    return [StoredChat(row.id, row.model, row.completion, row.messages, by_number[row.number]) for row in rows]


def set_labels(
    connection: Connection, owner: str, chat_id: str, new: Mapping[str, str], *, now: int
) -> StoredChat | None:
    number = connection.execute(
        select(chats.c.number).where(chats.c.owner == owner, chats.c.id == chat_id, chats.c.expires_at > now)
    ).scalar_one_or_none()
    if number is None:
        return None
    connection.execute(delete(labels).where(labels.c.completion == number))
    _add_labels(connection, number, new)
    return get(connection, owner, chat_id, now=now)


def delete_one(connection: Connection, owner: str, chat_id: str, *, now: int) -> bool:
    this = (chats.c.owner == owner, chats.c.id == chat_id, chats.c.expires_at > now)
    return connection.execute(delete(chats).where(*this)).rowcount == 1


def delete_expired(connection: Connection, now: int, limit: int) -> int:
    """Of all owners. How many there were."""
    old = select(chats.c.number).where(chats.c.expires_at <= now).limit(limit)
    return connection.execute(delete(chats).where(chats.c.number.in_(old.scalar_subquery()))).rowcount


def _add_labels(connection: Connection, number: int, new: Mapping[str, str]) -> None:
    if new:
        connection.execute(
            insert(labels), [{"completion": number, "key": key, "value": value} for key, value in new.items()]
        )


def _labels(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {number: {} for number in numbers}
    rows = connection.execute(select(labels).where(labels.c.completion.in_(numbers)).order_by(labels.c.key))
    for row in rows:
        found[row.completion][row.key] = row.value
    return found
