"""Keys in the database, on both kinds: what is kept, and what tells a server that something has changed."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from spatz.errors import ConfigError
from spatz.store import keys
from spatz.store.db import Database
from spatz.store.keys import add_key, all_keys, api_keys, key_hash, keys_stamp, remove_key, revoke_key, touch_keys


def test_only_the_hash_is_kept(database: Database) -> None:
    with database.transaction() as connection:
        text, key = add_key(connection, "ada", requests_per_minute=3)
    assert text.startswith("sk-spatz-")
    assert len(text.removeprefix("sk-spatz-")) == 43  # 256 bits in base 64
    assert key.hash == key_hash(text.encode()) == hashlib.sha256(text.encode()).digest()
    with database.transaction() as connection:
        assert all_keys(connection) == [key]
        row = connection.execute(select(api_keys)).one()
    secret = text[len(key.prefix) :]
    assert len(secret) == 39
    assert not [value for value in row if isinstance(value, str) and secret in value]
    assert key.prefix == text[:13]


def test_nothing_of_the_key_is_in_the_files(tmp_path: Path) -> None:
    database = Database.open("", tmp_path)
    with database.transaction() as connection:
        text, key = add_key(connection, "ada")
    database.close()
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert key.id.encode() in data
    assert text[len(key.prefix) :].encode() not in data


def test_keys_differ(database: Database) -> None:
    with database.transaction() as connection:
        made = [add_key(connection, "same name") for _ in range(20)]
        assert [key for _, key in made] == all_keys(connection)
    assert len({text for text, _ in made}) == len({key.id for _, key in made}) == 20


def test_every_change_is_seen(database: Database) -> None:
    seen = []

    def note() -> None:
        with database.transaction() as connection:
            seen.append(keys_stamp(connection))

    note()
    ids = []
    for _ in range(2):
        with database.transaction() as connection:
            ids.append(add_key(connection, "x")[1].id)
        note()
    for key_id in ids:
        with database.transaction() as connection:
            revoke_key(connection, key_id)
        note()
    for key_id in ids:
        with database.transaction() as connection:
            remove_key(connection, key_id)
        note()
    # The table is empty twice, and nothing else is the same: a number is never given to a second key.
    assert len(set(seen)) == len(seen) - 1
    with database.transaction() as connection:
        add_key(connection, "x")
        touch_keys(connection, {ids[0]: 5})
    note()
    assert seen[-1] not in seen[:-1]


def test_states(database: Database) -> None:
    now = int(time.time())
    with database.transaction() as connection:
        _, forever = add_key(connection, "a")
        _, over = add_key(connection, "b", expires_at=now - 1)
        _, later = add_key(connection, "c", expires_at=now + 1000)
        revoke_key(connection, later.id)
        assert [key.state(now) for key in all_keys(connection)] == ["active", "expired", "revoked"]
        before = all_keys(connection)
        assert revoke_key(connection, later.id).revoked_at == before[2].revoked_at
        assert all_keys(connection) == before
        with pytest.raises(ConfigError, match="is in use: revoke it first"):
            remove_key(connection, forever.id)
        remove_key(connection, over.id)
        remove_key(connection, later.id)
        assert [key.id for key in all_keys(connection)] == [forever.id]


@pytest.mark.parametrize("key_id", ["", "key_none", "' OR 1=1 --", "x" * 5000])
def test_unknown_ids(database: Database, key_id: str) -> None:
    with database.transaction() as connection:
        for work in (revoke_key, remove_key):
            with pytest.raises(ConfigError, match="there is no key"):
                work(connection, key_id)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31m", "x" * 101])
def test_names_that_are_none(database: Database, name: str) -> None:
    with database.transaction() as connection, pytest.raises(ConfigError, match="the name of a key is"):
        add_key(connection, name)


def test_their_number_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS", 3)
    with database.transaction() as connection:
        made = [add_key(connection, str(number))[1] for number in range(3)]
        with pytest.raises(ConfigError, match="no more than 3"):
            add_key(connection, "one more")
        revoke_key(connection, made[1].id)
        _, last = add_key(connection, "one more")
        assert [key.id for key in all_keys(connection)] == [made[0].id, made[2].id, last.id]


def test_last_use(database: Database) -> None:
    with database.transaction() as connection:
        _, key = add_key(connection, "a")
        add_key(connection, "b")
        touch_keys(connection, {key.id: 1_700_000_000, "key_gone": 1})
        assert [key.last_used_at for key in all_keys(connection)] == [1_700_000_000, None]
