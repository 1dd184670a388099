"""Stopping: the door closes, running answers end, and a second signal waits for nobody."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from server.conftest import WAIT, Live, serving
from server.fake import FakeModel, FakeStream
from spatz.config import Settings
from spatz.errors import ConfigError
from spatz.server.run import bind

Body = Callable[..., dict[str, Any]]
PATH = "/v1/chat/completions"


async def running_stream(live: Live, model: FakeModel, body: dict[str, Any]) -> tuple[asyncio.Task[str], FakeStream]:
    async def read() -> str:
        async with httpx.AsyncClient(timeout=WAIT) as client:
            return (await client.post(live.url + PATH, json=body)).text

    model.held = True
    task = asyncio.create_task(read())
    async with asyncio.timeout(WAIT):
        stream = await model.streams.get()
    stream.put("Hel")
    return task, stream


async def test_draining(live: Live, model: FakeModel, chat: Body) -> None:
    task, stream = await running_stream(live, model, chat(stream=True))
    live.server.stop(signal.SIGTERM)
    async with httpx.AsyncClient(base_url=live.url, timeout=WAIT) as client:
        for response in (await client.post(PATH, json=chat()), await client.get("/healthz")):
            assert response.status_code == 503
            assert response.headers["retry-after"]
            assert response.json()["error"]["code"] == "service_unavailable"
    assert not live.task.done()
    stream.play(["lo"])
    async with asyncio.timeout(WAIT):
        text = await task
        await live.task
    assert '"content":"lo"' in text
    assert text.endswith("data: [DONE]\n\n")
    assert live.server.caught == signal.SIGTERM


async def test_draining_ends_after_its_time(model: FakeModel, settings: Settings, chat: Body) -> None:
    async with serving(model, replace(settings, drain_seconds=0)) as live:
        task, _ = await running_stream(live, model, chat(stream=True))
        live.server.stop(signal.SIGTERM)
        async with asyncio.timeout(WAIT):
            text = await task
            await live.task
    assert '"message":"The server is shutting down."' in text
    assert "[DONE]" not in text
    assert not model.open


async def test_a_second_signal_stops_at_once(live: Live, model: FakeModel, chat: Body) -> None:
    task, _ = await running_stream(live, model, chat(stream=True))
    live.server.stop(signal.SIGTERM)
    live.server.stop(signal.SIGTERM)
    async with asyncio.timeout(WAIT):
        await live.task
        with pytest.raises(httpx.HTTPError):
            await task
    assert not model.open


async def test_an_idle_server_stops(live: Live) -> None:
    live.server.stop(signal.SIGINT)
    async with asyncio.timeout(WAIT):
        await live.task
    assert live.server.caught == signal.SIGINT


def test_a_port_that_is_taken(settings: Settings) -> None:
    with bind(settings) as taken:
        taken.listen()
        with pytest.raises(ConfigError, match="cannot listen on"):
            bind(replace(settings, port=taken.getsockname()[1]))


@pytest.mark.parametrize("host", ["no such host", "256.1.1.1", "x" * 300])
def test_hosts_that_are_none(settings: Settings, host: str) -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        bind(replace(settings, host=host, api_key=("key",)))
