"""API keys as they are kept: what a key may do, and a hash to know it by; never the key itself.

`spatz keys` writes here, the server's auth.py reads. A key is 256 random bits, so one round of SHA-256 is the right
hash for it: there is nothing to guess faster with faster hashing, unlike with passwords, and a slow hash would be paid
by every request. Nobody can go from a stolen table to a key.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from spatz.errors import ConfigError
from spatz.store.db import metadata

__all__ = [
    "MAX_KEYS",
    "Key",
    "Stamp",
    "add_key",
    "all_keys",
    "api_keys",
    "key_hash",
    "keys_stamp",
    "remove_key",
    "revoke_key",
    "touch_keys",
]

PREFIX = "sk-spatz-"
SHOWN = len(PREFIX) + 4  # characters of a key that are kept to recognize it by: 24 of its 256 bits
MAX_KEYS = 10_000  # a server holds them all in memory
MAX_NAME = 100

api_keys = Table(
    "api_keys",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # only grows: tells that a key was added
    Column("id", String(64), nullable=False, unique=True),
    Column("name", String(MAX_NAME), nullable=False),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("prefix", String(32), nullable=False),
    Column("admin", Boolean, nullable=False),
    # Null: the default of the settings. 0: no limit.
    Column("requests_per_minute", Integer),
    Column("tokens_per_minute", BigInteger),
    Column("max_concurrent", Integer),
    # Unix times in seconds.
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
    sqlite_autoincrement=True,
)

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Key:
    """One row. Limits: None is the default of the settings, 0 is none."""

    id: str
    name: str
    hash: bytes
    prefix: str
    admin: bool
    requests_per_minute: int | None
    tokens_per_minute: int | None
    max_concurrent: int | None
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    revoked_at: int | None

    def state(self, now: float) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


def key_hash(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def add_key(
    connection: Connection,
    name: str,
    *,
    admin: bool = False,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    max_concurrent: int | None = None,
    expires_at: int | None = None,
) -> tuple[str, Key]:
    """A new key: its text, which is told this once, and what is kept of it."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise ConfigError(f"the name of a key is 1 to {MAX_NAME} printable characters")
    now = int(time.time())
    _make_room(connection, now)
    text = PREFIX + secrets.token_urlsafe(32)
    key = Key(
        id="key_" + secrets.token_hex(12),
        name=name,
        hash=key_hash(text.encode()),
        prefix=text[:SHOWN],
        admin=admin,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        max_concurrent=max_concurrent,
        created_at=now,
        expires_at=expires_at,
        last_used_at=None,
        revoked_at=None,
    )
    values: dict[str, Any] = {name: getattr(key, name) for name in Key.__slots__}
    connection.execute(insert(api_keys).values(**values))
    return text, key


def _make_room(connection: Connection, now: int) -> None:
    """Old keys that no longer open anything make room for new ones; those that do never."""
    count = connection.scalar(select(func.count()).select_from(api_keys)) or 0
    if count < MAX_KEYS:
        return
    over = or_(api_keys.c.revoked_at.is_not(None), api_keys.c.expires_at <= now)
    oldest = select(api_keys.c.number).where(over).order_by(api_keys.c.number).limit(count - MAX_KEYS + 1)
    removed = connection.execute(delete(api_keys).where(api_keys.c.number.in_(oldest))).rowcount
    if count - removed >= MAX_KEYS:
        raise ConfigError(f"there are {count} keys already, and no more than {MAX_KEYS} can be kept: revoke some")


def all_keys(connection: Connection) -> list[Key]:
    """Oldest first."""
    columns = [api_keys.c[name] for name in Key.__slots__]
    return [Key(**row._mapping) for row in connection.execute(select(*columns).order_by(api_keys.c.number))]


def keys_stamp(connection: Connection) -> Stamp:
    """Changes whenever a key is added, revoked or removed: what a server compares before it reads them all."""
    counts = select(func.count(), func.count(api_keys.c.revoked_at), func.max(api_keys.c.number))
    total, revoked, newest = connection.execute(counts.select_from(api_keys)).one()
    return total, revoked, newest or 0


def revoke_key(connection: Connection, key_id: str) -> Key:
    """The key as it was. A second time changes nothing. Raises ConfigError for an id that is none."""
    found = _find(connection, key_id)
    if found.revoked_at is None:
        connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=int(time.time())))
    return found


def remove_key(connection: Connection, key_id: str) -> Key:
    """Forget a key that no longer opens anything."""
    found = _find(connection, key_id)
    if found.state(time.time()) == "active":
        raise ConfigError(f"{key_id} is in use: revoke it first")
    connection.execute(delete(api_keys).where(api_keys.c.id == key_id))
    return found


def _find(connection: Connection, key_id: str) -> Key:
    columns = [api_keys.c[name] for name in Key.__slots__]
    row = connection.execute(select(*columns).where(api_keys.c.id == key_id)).one_or_none()
    if row is None:
        raise ConfigError(f"there is no key {key_id[:100]!r}: `spatz keys list` shows their ids")
    return Key(**row._mapping)


def touch_keys(connection: Connection, used: dict[str, int]) -> None:
    """Key's id -> when it was last used."""
    for key_id, when in used.items():
        connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=when))
