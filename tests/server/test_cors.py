"""Web pages of other origins: nothing unless the operator names them, and then all that a page needs to call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from server.conftest import WAIT
from server.fake import FakeModel
from spatz.config import Settings
from spatz.server.app import create_app
from spatz.server.cors import EXPOSED

Body = Callable[..., dict[str, Any]]
PATH = "/v1/chat/completions"
PAGE = "http://page.example"


def client_of(model: FakeModel, settings: Settings) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(model, settings))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT)


@pytest.fixture
def open_settings(settings: Settings) -> Settings:
    return replace(settings, cors_origins=(PAGE,), api_key=("secret",), requests_per_minute=5)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_page_may_ask_before_it_calls(model: FakeModel, open_settings: Settings, method: str) -> None:
    asked = {
        "origin": PAGE,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization, content-type, x-stainless-lang",
    }
    async with client_of(model, open_settings) as client:
        response = await client.options(PATH, headers=asked)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert method in response.headers["access-control-allow-methods"]
    for name in asked["access-control-request-headers"].split(", "):
        assert name in response.headers["access-control-allow-headers"]
    assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("origin", "method"), [("http://other.example", "POST"), (PAGE, "PUT"), ("null", "POST"), (PAGE + ".evil", "GET")]
)
async def test_others_are_told_no(model: FakeModel, open_settings: Settings, origin: str, method: str) -> None:
    asked = {"origin": origin, "access-control-request-method": method}
    async with client_of(model, open_settings) as client:
        response = await client.options(PATH, headers=asked)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "origin_not_allowed" and error["message"].startswith("Disallowed CORS")
    assert response.headers["x-request-id"].startswith("req_")
    if origin != PAGE:
        assert "access-control-allow-origin" not in response.headers


async def test_a_page_reads_answers_errors_and_headers(model: FakeModel, open_settings: Settings, chat: Body) -> None:
    headers = {"origin": PAGE, "authorization": "Bearer secret"}
    async with client_of(model, open_settings) as client:
        answered = await client.post(PATH, json=chat(), headers=headers)
        wrong = await client.post(PATH, json=chat(temperature=5), headers=headers)
        unknown = await client.post(PATH, json=chat(), headers={"origin": PAGE})
        streamed = await client.post(PATH, json=chat(stream=True), headers=headers)
    assert [answer.status_code for answer in (answered, wrong, unknown, streamed)] == [200, 400, 401, 200]
    for answer in (answered, wrong, unknown, streamed):
        assert answer.headers["access-control-allow-origin"] == PAGE
        shown = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert shown == set(EXPOSED)
        ours = {name for name in answer.headers if name.startswith(("x-", "openai-"))} - {"x-accel-buffering"}
        assert ours <= shown
    assert answered.headers["x-ratelimit-limit-requests"] == "5"


async def test_any_origin(model: FakeModel, settings: Settings, chat: Body) -> None:
    async with client_of(model, replace(settings, cors_origins=("*",))) as client:
        answer = await client.post(PATH, json=chat(), headers={"origin": "http://anything.example"})
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == "*"


async def test_without_origins_there_is_no_cors(model: FakeModel, settings: Settings) -> None:
    asked = {"origin": PAGE, "access-control-request-method": "POST"}
    async with client_of(model, settings) as client:
        response = await client.options(PATH, headers=asked)
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control")]
