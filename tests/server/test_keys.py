"""Keys of the database at the door of a running server, beside those of the settings."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from server.conftest import WAIT
from server.fake import FakeModel
from server.test_gate import check_error
from spatz.config import Settings
from spatz.errors import ConfigError
from spatz.server.app import create_app
from spatz.server.auth import Auth, check_binding, stored_keys
from spatz.server.keyring import KeyRing
from spatz.store.db import Database
from spatz.store.keys import add_key, all_keys, revoke_key

Body = Callable[..., dict[str, Any]]
PATH = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a second would bring (test_keyring.py turns the clock)."""
    monkeypatch.setattr("spatz.server.keyring.LIFE", 0.0)


@pytest.fixture
def app(model: FakeModel, settings: Settings) -> Iterator[FastAPI]:
    app = create_app(model, settings)
    yield app
    app.state.spatz.database.close()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=WAIT) as c:
        yield c


def make(app: FastAPI, **given: Any) -> tuple[str, str]:
    """As `spatz keys create` does beside the server: (key, id)."""
    with app.state.spatz.database.transaction() as connection:
        text, key = add_key(connection, "ada", **given)
    return text, key.id


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


async def test_a_running_server_sees_new_and_revoked_keys(
    app: FastAPI, client: httpx.AsyncClient, chat: Body, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert (await client.post(PATH, json=chat())).status_code == 200
    text, key_id = make(app)
    check_error(await client.post(PATH, json=chat()), 401, "invalid_api_key")
    for wrong in ("sk-spatz-" + "x" * 43, text[:-1], "é" * 20, "x" * 10_000):
        header = {b"authorization": f"Bearer {wrong}".encode()}
        error = check_error(await client.post(PATH, json=chat(), headers=header), 401, "invalid_api_key")
        assert error["message"] == "Incorrect API key provided."
    assert (await client.post(PATH, json=chat(), headers=bearer(text))).status_code == 200
    with app.state.spatz.database.transaction() as connection:
        revoke_key(connection, key_id)
    check_error(await client.post(PATH, json=chat(), headers=bearer(text)), 401, "invalid_api_key")
    check_error(await client.post(PATH, json=chat()), 401, "invalid_api_key")  # the end of the last key opens nothing
    assert (await client.get("/healthz")).status_code == 200
    assert text not in caplog.text
    assert text[13:] not in caplog.text


async def test_expired_keys(app: FastAPI, client: httpx.AsyncClient) -> None:
    text, _ = make(app, expires_at=1)
    check_error(await client.get("/v1/models", headers=bearer(text)), 401, "invalid_api_key")
    check_error(await client.get("/v1/models"), 401, "invalid_api_key")


async def test_with_a_key_any_host_name_will_do(app: FastAPI, client: httpx.AsyncClient) -> None:
    text, _ = make(app)
    for headers in ({"host": "box.example"}, {"origin": "http://page.example"}):
        assert (await client.get("/v1/models", headers={**headers, **bearer(text)})).status_code == 200


async def test_keys_of_the_settings_go_on_working(model: FakeModel, settings: Settings) -> None:
    app = create_app(model, replace(settings, api_key=("mine", "yours")))
    text, _ = make(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as client:
        for key in ("mine", "yours", text):
            assert (await client.get("/v1/models", headers=bearer(key))).status_code == 200
        check_error(await client.get("/v1/models", headers=bearer("his")), 401, "invalid_api_key")
    app.state.spatz.database.close()


async def test_who_is_who(settings: Settings) -> None:
    database = Database.open("", settings.data_dir)
    with database.transaction() as connection:
        text, key = add_key(connection, "ada", admin=True, requests_per_minute=7, max_concurrent=0)
    limited = replace(settings, api_key=("mine", "yours"), requests_per_minute=1, tokens_per_minute=2, max_concurrent=3)
    auth = Auth(limited, KeyRing(database))

    async def limits(key: str) -> tuple[str, str, bool, tuple[int, int, int]]:
        who = await auth.check({b"authorization": f"Bearer {key}".encode()})
        values = (who.limits.requests_per_minute, who.limits.tokens_per_minute, who.limits.max_concurrent)
        return who.owner, who.name, who.admin, values

    assert await limits(text) == (key.id, "ada", True, (7, 2, 0))  # its own, the settings', and none
    mine, yours = await limits("mine"), await limits("yours")
    assert mine[1:] == yours[1:] == ("", False, (1, 2, 3))
    assert len({mine[0], yours[0], key.id}) == 3
    assert mine[0].startswith("key_")
    assert "mine" not in mine[0]
    database.close()


async def test_a_server_beyond_this_machine_always_demands_a_key(settings: Settings) -> None:
    database = Database.open("", settings.data_dir)
    auth = Auth(replace(settings, host="0.0.0.0"), KeyRing(database))
    assert auth.demands_keys
    with pytest.raises(Exception, match="didn't provide an API key"):
        await auth.check({b"host": b"localhost"})
    assert not Auth(settings, KeyRing(database)).demands_keys
    database.close()


def test_stored_keys_allow_a_binding_beyond_loopback(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(ConfigError, match="spatz keys create"):
        check_binding("0.0.0.0", stored_keys(settings))
    database = Database.open("", tmp_path)
    with database.transaction() as connection:
        _, key = add_key(connection, "ada")
        add_key(connection, "old", expires_at=1)
    assert stored_keys(settings) == [key.id]
    check_binding("0.0.0.0", stored_keys(settings))
    with database.transaction() as connection:
        revoke_key(connection, key.id)
        assert len(all_keys(connection)) == 2
    assert stored_keys(settings) == []
    database.close()
