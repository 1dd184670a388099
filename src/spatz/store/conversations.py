"""Conversations: an owner's list of items that grows, as JSON texts, and its metadata.

An item has a place, which only ever grows. Whoever appends writes the conversation's row first: two that append at once
do so one after the other. Each use of a conversation keeps it for as long as a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from spatz.store.db import metadata
from spatz.store.responses import StoredItem

__all__ = [
    "MAX_ITEMS",
    "Conversation",
    "TooManyItems",
    "append",
    "create",
    "delete_expired",
    "find_items",
    "get",
    "get_item",
    "known",
    "list_items",
    "remove",
    "remove_item",
    "set_metadata",
    "size",
]

MAX_ITEMS = 10_000

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("metadata", Text, nullable=False),
)
conversation_items = Table(
    "conversation_items",
    metadata,
    Column("conversation", Text, ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("id", Text, nullable=False, index=True),
    Column("body", Text, nullable=False),
    UniqueConstraint("conversation", "id", name="uq_conversation_items_id"),
)


class TooManyItems(Exception):
    """The conversation would have more than MAX_ITEMS."""


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    created_at: int
    metadata: str


def create(connection: Connection, owner: str, conversation: Conversation, *, expires_at: int) -> None:
    connection.execute(
        insert(conversations).values(
            id=conversation.id,
            owner=owner,
            created_at=conversation.created_at,
            expires_at=expires_at,
            metadata=conversation.metadata,
        )
    )


def get(connection: Connection, owner: str, id: str, now: int) -> Conversation | None:
    row = connection.execute(
        select(conversations.c.created_at, conversations.c.metadata).where(*_visible(owner, id, now))
    ).one_or_none()
    return None if row is None else Conversation(id, row.created_at, row.metadata)


def set_metadata(connection: Connection, owner: str, id: str, now: int, metadata: str, *, expires_at: int) -> bool:
    values = {"metadata": metadata, "expires_at": expires_at}
    return bool(connection.execute(update(conversations).where(*_visible(owner, id, now)).values(values)).rowcount)


def remove(connection: Connection, owner: str, id: str) -> bool:
    found = delete(conversations).where(conversations.c.id == id, conversations.c.owner == owner)
    return bool(connection.execute(found).rowcount)


def append(
    connection: Connection, owner: str, id: str, now: int, items: Sequence[StoredItem], *, expires_at: int
) -> bool:
    """False: there is no such conversation. The ids have to be new to it (`known`). Raises TooManyItems."""
    held = update(conversations).where(*_visible(owner, id, now)).values(expires_at=expires_at)
    if not connection.execute(held).rowcount:
        return False
    count, last = connection.execute(
        select(func.count(), func.coalesce(func.max(conversation_items.c.place), -1)).where(
            conversation_items.c.conversation == id
        )
    ).one()
    if count + len(items) > MAX_ITEMS:
        raise TooManyItems
    rows = [
        {"conversation": id, "place": last + 1 + index, "id": item.id, "body": item.body}
        for index, item in enumerate(items)
    ]
    if rows:
        connection.execute(insert(conversation_items), rows)
    return True


def known(connection: Connection, id: str, items: Sequence[str]) -> set[str]:
    """Which of these ids the conversation has already."""
    found = select(conversation_items.c.id).where(
        conversation_items.c.conversation == id, conversation_items.c.id.in_(items)
    )
    return set(connection.execute(found).scalars())


def list_items(
    connection: Connection,
    id: str,
    *,
    after: str | None = None,
    ascending: bool = True,
    limit: int | None = None,
) -> list[StoredItem] | None:
    """None: there is no item `after`. That the conversation is the owner's has been seen to (`get`)."""
    place = conversation_items.c.place
    query = select(conversation_items.c.id, conversation_items.c.body).where(conversation_items.c.conversation == id)
    if after is not None:
        start = connection.execute(
            select(place).where(conversation_items.c.conversation == id, conversation_items.c.id == after)
        ).scalar_one_or_none()
        if start is None:
            return None
        query = query.where(place > start if ascending else place < start)
    query = query.order_by(place if ascending else place.desc()).limit(limit)
    return [StoredItem(row.id, row.body) for row in connection.execute(query)]


def size(connection: Connection, id: str) -> int:
    """Characters of all items."""
    found = select(func.coalesce(func.sum(func.length(conversation_items.c.body)), 0)).where(
        conversation_items.c.conversation == id
    )
    return int(connection.execute(found).scalar_one())


def get_item(connection: Connection, id: str, item: str) -> str | None:
    found: str | None = connection.execute(
        select(conversation_items.c.body).where(
            conversation_items.c.conversation == id, conversation_items.c.id == item
        )
    ).scalar_one_or_none()
    return found


def remove_item(connection: Connection, id: str, item: str) -> bool:
    found = delete(conversation_items).where(conversation_items.c.conversation == id, conversation_items.c.id == item)
    return bool(connection.execute(found).rowcount)


def find_items(connection: Connection, owner: str, ids: Sequence[str], now: int) -> dict[str, str]:
    """Items of any of the owner's conversations, by id."""
    rows = connection.execute(
        select(conversation_items.c.id, conversation_items.c.body)
        .join(conversations, conversation_items.c.conversation == conversations.c.id)
        .where(conversation_items.c.id.in_(ids), conversations.c.owner == owner, conversations.c.expires_at > now)
    )
    return {row.id: row.body for row in rows}


def delete_expired(connection: Connection, now: int, limit: int) -> int:
    """Deletes what has expired, at most so many, and gives how many they were."""
    old = select(conversations.c.id).where(conversations.c.expires_at <= now).limit(limit)
    return connection.execute(delete(conversations).where(conversations.c.id.in_(old))).rowcount


def _visible(owner: str, id: str, now: int) -> tuple[Any, ...]:
    return conversations.c.id == id, conversations.c.owner == owner, conversations.c.expires_at > now
