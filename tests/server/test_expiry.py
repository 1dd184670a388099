"""What has expired goes, in pieces, from all stores; what has not stays; the disk gets its room back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from server.conftest import WAIT, serving
from server.fake import FakeModel
from spatz.config import Settings
from spatz.server import expiry
from spatz.server.expiry import Expiry
from spatz.store.db import Database

NOW = 1_000_000


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open("", tmp_path)


def fill(database: Database, count: int, expires_at: int) -> None:
    with database.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO chat_completions (id, owner, model, expires_at, completion, messages) "
                "VALUES (:id, '', 'm', :at, :data, '[]')"
            ),
            [{"id": f"{expires_at}-{n}", "at": expires_at, "data": "x" * 20_000} for n in range(count)],
        )


async def test_a_sweep_takes_all_that_has_expired_and_nothing_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "PIECE", 3)
    fill(database, 10, NOW)
    fill(database, 2, NOW + 1)
    assert await Expiry(database, clock=lambda: NOW).sweep() == 10
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM chat_completions")).scalar() == 2
    assert await Expiry(database, clock=lambda: NOW).sweep() == 0
    database.close()


async def test_the_disk_gets_its_room_back(database: Database) -> None:
    fill(database, 300, NOW)
    assert database.path is not None
    database.close()
    before = database.path.stat().st_size
    database = Database.open("", database.path.parent)
    assert await Expiry(database, clock=lambda: NOW).sweep() == 300
    database.close()
    assert database.path is not None
    assert before > 6_000_000 and database.path.stat().st_size < before / 10


async def test_the_service_sweeps_again_and_outlives_a_failure(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    paused: asyncio.Queue[float] = asyncio.Queue()
    go = asyncio.Event()

    async def pause(seconds: float) -> None:
        paused.put_nowait(seconds)
        await go.wait()
        go.clear()

    with database.transaction() as connection:
        connection.execute(text("ALTER TABLE chat_completions RENAME TO away"))
    async with asyncio.timeout(WAIT), Expiry(database, clock=lambda: NOW, pause=pause):
        assert await paused.get() == expiry.SWEEP_SECONDS
        assert "expired objects stay" in caplog.text
        with database.transaction() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO chat_completions"))
        fill(database, 1, NOW)
        go.set()
        await paused.get()
        with database.reading() as connection:
            assert connection.execute(text("SELECT count(*) FROM chat_completions")).scalar() == 0
    database.close()


async def test_every_kind_of_stored_object_is_swept_when_the_server_starts(
    model: FakeModel, settings: Settings, chat: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made through the API, and old by the time of the next start."""
    async with serving(model, settings) as live, httpx.AsyncClient(base_url=live.url, timeout=WAIT) as client:
        body = {"model": "gpt-4.1-nano", "store": True}
        message = {"role": "user", "content": "hi"}
        assert (await client.post("/v1/chat/completions", json={**body, "messages": [message]})).status_code == 200
        assert (await client.post("/v1/responses", json={**body, "input": "hi"})).status_code == 200
        assert (await client.post("/v1/conversations", json={"items": [message]})).status_code == 200
    tables = ("chat_completions", "responses", "response_items", "conversations", "conversation_items")
    database = Database.open("", settings.data_dir)

    def counts() -> list[int]:
        with database.reading() as connection:
            return [connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables]

    assert all(counts())
    future = 10**10
    while await Expiry(database, clock=lambda: future).sweep():
        pass
    assert counts() == [0] * len(tables)
    database.close()
