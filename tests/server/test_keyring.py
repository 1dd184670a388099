"""The database's keys in memory: how often it is asked, what is seen when, and what happens when it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from spatz.errors import RequestError
from spatz.server import keyring
from spatz.server.keyring import LIFE, STALE, KeyRing
from spatz.store.db import Database
from spatz.store.keys import add_key, remove_key, revoke_key


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open("", tmp_path)
    yield database
    database.close()


@pytest.fixture
def statements(database: Database) -> list[str]:
    """What is asked of the tables of keys."""
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: object) -> None:
        if "api_keys" in statement:
            asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    return asked


async def test_changes_are_seen_within_a_second(database: Database, clock: Clock) -> None:
    ring = KeyRing(database, clock)
    assert not ring.known
    with database.transaction() as connection:
        text, key = add_key(connection, "ada")
    await ring.refresh()
    assert ring.find(text.encode()) is None
    clock.now += LIFE
    await ring.refresh()
    assert ring.known
    assert ring.find(text.encode()) == key
    for wrong in (b"", b"x", text.encode()[:-1], text.encode() + b"x", text.upper().encode()):
        assert ring.find(wrong) is None
    with database.transaction() as connection:
        revoke_key(connection, key.id)
    clock.now += LIFE
    await ring.refresh()
    assert ring.find(text.encode()) is None
    assert ring.known  # a server does not open because its last key was revoked
    with database.transaction() as connection:
        remove_key(connection, key.id)
    clock.now += LIFE
    await ring.refresh()
    assert not ring.known


async def test_expired_keys_open_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.transaction() as connection:
        text, key = add_key(connection, "ada", expires_at=5000)
    ring = KeyRing(database)
    monkeypatch.setattr("spatz.server.keyring.time.time", lambda: 4999.9)
    assert ring.find(text.encode()) == key
    monkeypatch.setattr("spatz.server.keyring.time.time", lambda: 5000.0)
    assert ring.find(text.encode()) is None
    assert ring.known


async def test_unknown_keys_do_not_reach_the_database(database: Database, clock: Clock, statements: list[str]) -> None:
    with database.transaction() as connection:
        add_key(connection, "ada")
    ring = KeyRing(database, clock)
    statements.clear()
    for number in range(1000):
        await ring.refresh()
        assert ring.find(b"sk-spatz-%d" % number) is None
    assert statements == []
    clock.now += LIFE
    await asyncio.gather(*(ring.refresh() for _ in range(50)))
    assert len(statements) == 1  # nothing has changed: the rows are not read


async def test_who_goes_while_it_is_read_takes_nothing_from_the_others(database: Database, clock: Clock) -> None:
    ring = KeyRing(database, clock)
    with database.transaction() as connection:
        text, _ = add_key(connection, "ada")
    clock.now += LIFE
    first, second = asyncio.create_task(ring.refresh()), asyncio.create_task(ring.refresh())
    await asyncio.sleep(0)  # both wait for the same reading now
    first.cancel()
    await second
    assert ring.find(text.encode()) is not None


async def test_a_database_that_fails(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with database.transaction() as connection:
        text, _ = add_key(connection, "ada")
    ring = KeyRing(database, clock)
    tried = []

    async def fail(work: object) -> None:
        tried.append(work)
        raise OperationalError("SELECT", {}, Exception("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(database, "read", fail)
        clock.now += LIFE
        for _ in range(5):
            await ring.refresh()
        assert len(tried) == 1
        assert ring.find(text.encode()) is not None
        clock.now += STALE
        with pytest.raises(RequestError, match="cannot be checked") as caught:
            await ring.refresh()
        assert caught.value.status == 503
    assert text not in caplog.text
    clock.now += LIFE
    await ring.refresh()


async def test_a_database_that_does_not_answer(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "PATIENCE", 0.0)
    with database.transaction() as connection:
        text, key = add_key(connection, "ada")
    ring = KeyRing(database, clock)
    answer = asyncio.Event()
    read, asked = database.read, []

    async def hang(work: Any) -> Any:
        asked.append(work)
        await answer.wait()
        return await read(work)

    monkeypatch.setattr(database, "read", hang)
    with database.transaction() as connection:
        revoke_key(connection, key.id)
    clock.now += LIFE
    for _ in range(5):
        await ring.refresh()
        assert ring.find(text.encode()) is not None  # as far as anybody knows
    assert len(asked) == 1
    clock.now += STALE
    with pytest.raises(RequestError, match="cannot be checked"):
        await ring.refresh()
    answer.set()
    monkeypatch.setattr(keyring, "PATIENCE", 1e6)
    await ring.refresh()
    assert ring.find(text.encode()) is None


async def test_last_use_is_told_once_a_minute(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.transaction() as connection:
        text, key = add_key(connection, "ada")
    ring = KeyRing(database)
    for now, told in ((100_000, {key.id: 100_000}), (100_059, {}), (100_060, {key.id: 100_060})):
        monkeypatch.setattr("spatz.server.keyring.time.time", lambda now=now: now)
        ring.find(text.encode())
        assert ring.take_touched() == told
