"""A database that has reached its limit takes nothing more, and serves all that needs no storing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server.conftest import WAIT
from server.fake import FakeModel
from spatz.config import Settings
from spatz.server.app import create_app
from spatz.store import db

MESSAGES = [{"role": "user", "content": "hi"}]
STORED = [
    ("/v1/chat/completions", {"model": "gpt-4.1-nano", "messages": MESSAGES, "store": True}),
    ("/v1/responses", {"model": "gpt-4.1-nano", "input": "hi"}),
    ("/v1/responses", {"model": "gpt-4.1-nano", "input": "hi", "background": True}),
    ("/v1/conversations", {"items": MESSAGES}),
]
NOT_STORED = [
    ("/v1/chat/completions", {"model": "gpt-4.1-nano", "messages": MESSAGES}),
    ("/v1/responses", {"model": "gpt-4.1-nano", "input": "hi", "store": False}),
    ("/v1/completions", {"model": "gpt-4.1-nano", "prompt": "hi"}),
]


@pytest.fixture
async def full(
    model: FakeModel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(db, "_size", lambda connection: settings.max_database_mb << 20)
    transport = httpx.ASGITransport(create_app(model, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as client:
        yield client


@pytest.mark.parametrize(("path", "body"), STORED)
async def test_nothing_more_is_stored(
    full: httpx.AsyncClient, model: FakeModel, path: str, body: dict[str, Any]
) -> None:
    response = await full.post(path, json=body)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "storage_limit_exceeded"
    assert not model.requests  # found out before the work, not after it


@pytest.mark.parametrize(("path", "body"), NOT_STORED)
async def test_what_is_not_stored_is_served(full: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    assert (await full.post(path, json=body)).status_code == 200


async def test_items_are_not_added(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (await client.post("/v1/conversations", json={})).json()
    monkeypatch.setattr(db, "_size", lambda connection: 1 << 60)
    monkeypatch.setattr(db, "SIZE_SECONDS", -1.0)
    response = await client.post(f"/v1/conversations/{made['id']}/items", json={"items": MESSAGES})
    assert response.status_code == 413
    assert (await client.delete(f"/v1/conversations/{made['id']}")).status_code == 200  # which makes room
