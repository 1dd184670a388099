"""Limits as clients meet them: 429 and its headers through the API's own client, and streams that are held open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI
from openai import AsyncOpenAI

from server.batching import jsonl, line, running
from server.conftest import WAIT, serving
from server.fake import FakeModel
from spatz.config import Settings
from spatz.engine.request import FinishReason
from spatz.server.app import create_app

Body = Callable[..., dict[str, Any]]
PATH = "/v1/chat/completions"
MODEL = "gpt-4.1-nano"
MESSAGES: Any = [{"role": "user", "content": "hi"}]
HEADERS = {f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset") for kind in ("requests", "tokens")}


def limits_of(response: httpx.Response) -> dict[str, str]:
    return {name.removeprefix("x-ratelimit-"): value for name, value in response.headers.items() if name in HEADERS}


@pytest.fixture
def make_app(model: FakeModel, settings: Settings) -> Iterator[Callable[..., FastAPI]]:
    """make(requests_per_minute=..): with limits, and a clock that stands still."""
    made = []

    def make(**limits: int) -> FastAPI:
        app = create_app(model, replace(settings, **limits))
        app.state.spatz.limiter.clock = lambda: 1000.0
        made.append(app)
        return app

    yield make
    for app in made:
        app.state.spatz.database.close()


@asynccontextmanager
async def client_of(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=WAIT) as client:
        yield client


@asynccontextmanager
async def sdk_of(app: Any, retries: int = 0) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(app) as client:
        yield AsyncOpenAI(
            base_url="http://localhost/v1", api_key="none", http_client=client, max_retries=retries, timeout=WAIT
        )


async def test_requests_through_the_sdk(make_app: Callable[..., FastAPI]) -> None:
    async with sdk_of(make_app(requests_per_minute=2)) as client:
        for left in ("1", "0"):
            raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES)
            assert raw.headers["x-ratelimit-remaining-requests"] == left
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model=MODEL, messages=MESSAGES)
    error = caught.value
    assert (error.type, error.code, error.param) == ("requests", "rate_limit_exceeded", None)
    assert error.body == {
        "message": "Rate limit reached for fake-model on requests per min (RPM): Limit 2, Used 2, Requested 1. "
        "Please try again in 30s.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert error.response.headers["retry-after"] == "30"
    assert limits_of(error.response) == {
        "limit-requests": "2",
        "remaining-requests": "0",
        "reset-requests": "1m0s",
    }
    assert error.request_id is not None


async def test_tokens_through_the_sdk(make_app: Callable[..., FastAPI], model: FakeModel) -> None:
    async with sdk_of(make_app(tokens_per_minute=300)) as client:
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES, max_tokens=200)
        used = raw.parse().usage.total_tokens
        # Settled when the answer is there: what was reserved and not used has been given back.
        assert limits_of(raw.http_response) == {
            "limit-tokens": "300",
            "remaining-tokens": str(300 - used),
            "reset-tokens": f"{used * 200 / 1000:g}s",
        }
        prompt = len(model.requests[0].prompt)
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=290 - prompt)
        assert caught.value.type == "tokens"
        assert f"(TPM): Limit 300, Used {used}, Requested 290." in caught.value.message
        waiting = (290 - (300 - used)) * 60 / 300
        assert caught.value.response.headers["retry-after"] == str(-int(-waiting // 1))
        assert len(model.requests) == 1
        # A stream says so before it begins, and is an ordinary error too.
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=290 - prompt, stream=True)


async def test_what_never_fits_is_asked_once(make_app: Callable[..., FastAPI]) -> None:
    asked = []

    async def count(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await app(scope, receive, send)

    app = make_app(tokens_per_minute=50)
    async with sdk_of(count, retries=3) as client:
        with pytest.raises(openai.RateLimitError, match="Request too large for fake-model") as caught:
            await client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=100)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert "retry-after" not in caught.value.response.headers
    assert len(asked) == 1


async def test_the_headers_are_on_every_answer(make_app: Callable[..., FastAPI], chat: Body, model: FakeModel) -> None:
    async with client_of(make_app(requests_per_minute=100, tokens_per_minute=10_000)) as client:
        for number, sent in enumerate(
            (
                client.post(PATH, json=chat()),
                client.post(PATH, json=chat(stream=True)),
                client.post(PATH, json=chat(n=0)),
                client.post("/v1/completions", json={"model": MODEL, "prompt": ["a", "b"]}),
                client.post("/v1/responses", json={"model": MODEL, "input": "hi", "store": False}),
            ),
            start=1,
        ):
            response = await sent
            assert {f"x-ratelimit-{name}" for name in limits_of(response)} == HEADERS, response.text
            assert response.headers["x-ratelimit-remaining-requests"] == str(100 - number)
        model.answers.append(ValueError("broken"))
        failed = await client.post(PATH, json=chat())
        assert failed.status_code == 500
        assert set(limits_of(failed)) == {name.removeprefix("x-ratelimit-") for name in HEADERS}
        for response in (await client.get("/v1/models"), await client.get(PATH), await client.get("/healthz")):
            assert limits_of(response) == {}


async def test_without_limits_there_are_no_headers(make_app: Callable[..., FastAPI], chat: Body) -> None:
    async with client_of(make_app()) as client:
        assert limits_of(await client.post(PATH, json=chat())) == {}


async def test_every_way_of_ending_settles(make_app: Callable[..., FastAPI], chat: Body, model: FakeModel) -> None:
    async with client_of(make_app(tokens_per_minute=4000)) as client:

        async def left() -> int:
            response = await client.post(PATH, json=chat(n=0))  # a mistake: takes no tokens
            return int(response.headers["x-ratelimit-remaining-tokens"])

        used = (await client.post(PATH, json=chat())).json()["usage"]["total_tokens"]
        assert await left() == 4000 - used
        await client.post(PATH, json=chat(stream=True))
        assert await left() == 4000 - 2 * used
        many = await client.post("/v1/completions", json={"model": MODEL, "prompt": ["abc", "de"], "n": 2})
        spent = 2 * used + many.json()["usage"]["total_tokens"]
        assert await left() == 4000 - spent
        model.answers.append(ValueError("broken"))
        assert (await client.post(PATH, json=chat())).status_code == 500
        assert await left() == 4000 - spent
        answer = await client.post(PATH, json=chat(messages=[{"role": "user", "content": "x" * 5000}]))
        assert answer.json()["error"]["type"] == "tokens"
        assert await left() == 4000 - spent


async def test_prompts_of_which_one_cannot_be_served(make_app: Callable[..., FastAPI], model: FakeModel) -> None:
    async with client_of(make_app(tokens_per_minute=100_000)) as client:
        body = {"model": MODEL, "prompt": ["x" * 5000, "b", "c"], "max_tokens": 1}
        response = await client.post("/v1/completions", json=body)
        assert response.json()["error"]["code"] == "context_length_exceeded"
        begun = sum(len(request.prompt) + 1 for request in model.requests)  # they ran until it was known
        assert begun <= 4
        assert response.headers["x-ratelimit-remaining-tokens"] == str(100_000 - begun)


async def test_streams_hold_their_place_until_they_end(settings: Settings, model: FakeModel) -> None:
    model.held = True
    async with (
        serving(model, replace(settings, max_concurrent=2)) as live,
        AsyncOpenAI(base_url=live.url + "/v1", api_key="none", max_retries=0, timeout=WAIT) as client,
    ):

        async def begin() -> tuple[Any, Any]:
            asked = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))
            held = asyncio.create_task(model.streams.get())
            await asyncio.wait((asked, held), return_when=asyncio.FIRST_COMPLETED)
            if not held.done():
                held.cancel()
                await asked  # raises
            held.result().put("a")
            return await asked, held.result()

        async def begin_when_free() -> tuple[Any, Any]:
            """The place is free as soon as the server knows that a client has gone, which is soon."""
            async with asyncio.timeout(WAIT):
                while True:
                    try:
                        return await begin()
                    except openai.RateLimitError:
                        continue

        (first, first_held), (second, _) = await begin(), await begin()
        for _ in range(3):
            with pytest.raises(openai.RateLimitError, match="concurrent requests: Limit 2, Used 2") as caught:
                await begin()
            assert caught.value.type == "requests"
            assert caught.value.response.headers["retry-after"] == "1"
        first_held.put("", finish=FinishReason.STOP, last=True)
        first_held.items.put_nowait(None)
        assert [chunk async for chunk in first]
        third, _ = await begin_when_free()
        with pytest.raises(openai.RateLimitError):
            await begin()
        await second.close()  # goes in the middle of its answer
        fourth, _ = await begin_when_free()
        with pytest.raises(openai.RateLimitError):
            await begin()
        await third.close()
        await fourth.close()


async def test_work_in_the_background_holds_its_place(settings: Settings, model: FakeModel) -> None:
    model.held = True
    limited = replace(settings, max_concurrent=1)
    async with (
        serving(model, limited) as live,
        AsyncOpenAI(base_url=live.url + "/v1", api_key="none", max_retries=0, timeout=WAIT) as client,
    ):
        queued = await client.responses.create(model=MODEL, input="hi", background=True)
        work = await model.streams.get()
        with pytest.raises(openai.RateLimitError, match="concurrent requests: Limit 1, Used 1"):
            await client.chat.completions.create(model=MODEL, messages=MESSAGES)
        work.put("done", finish=FinishReason.STOP, last=True)
        work.items.put_nowait(None)
        async with asyncio.timeout(WAIT):
            while (await client.responses.retrieve(queued.id)).status != "completed":
                pass
        model.held = False
        assert (await client.chat.completions.create(model=MODEL, messages=MESSAGES)).choices


async def test_lines_of_batches_are_not_limited(settings: Settings, model: FakeModel, chat: Body) -> None:
    limited = replace(settings, requests_per_minute=1, tokens_per_minute=30, max_concurrent=1)
    async with running(model, limited) as app:
        batch = await app.whole(jsonl(*(line(number, body={"max_tokens": 500}) for number in range(6))))
        assert batch["request_counts"] == {"total": 6, "completed": 6, "failed": 0}
        # Nor do they take anything from live requests.
        response = await app.client.post(PATH, json=chat(max_tokens=1))
        assert response.status_code == 200
        assert limits_of(response)["remaining-requests"] == "0"
