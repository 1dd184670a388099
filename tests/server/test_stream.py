"""Streams: the chunks of the reference, errors in the middle, heartbeats, and clients that go away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from server.conftest import WAIT, Live, serving
from server.fake import FakeModel
from server.leaving import leave
from spatz.config import Settings
from spatz.engine.request import Delta, FinishReason, Usage
from spatz.errors import OverloadedError, RequestError

Body = Callable[..., dict[str, Any]]
PATH = "/v1/chat/completions"


def events(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


async def test_chunks(client: httpx.AsyncClient, chat: Body) -> None:
    response = await client.post(PATH, json=chat(stream=True))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in response.headers
    chunks = events(response.text)
    assert {chunk["id"] for chunk in chunks} == {chunks[0]["id"]}
    assert all(chunk["object"] == "chat.completion.chunk" and "usage" not in chunk for chunk in chunks)
    assert all(chunk["system_fingerprint"] == "fp_fake" and chunk["model"] == "fake-model" for chunk in chunks)
    assert chunks[0]["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": "", "refusal": None},
            "logprobs": None,
            "finish_reason": None,
        }
    ]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Hello wörld"
    assert chunks[-1]["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]


async def test_usage_comes_last_and_is_null_before(client: httpx.AsyncClient, chat: Body) -> None:
    response = await client.post(PATH, json=chat(stream=True, n=2, stream_options={"include_usage": True}))
    chunks = events(response.text)
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 8 + 2 * len("Hello wörld".encode())
    assert chunks[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert [c["choices"][0]["index"] for c in chunks[:-1] if c["choices"][0]["finish_reason"]] == [0, 1]


async def test_obfuscation_evens_out_sizes(client: httpx.AsyncClient, model: FakeModel, chat: Body) -> None:
    model.answers.append(("a", "abcdefgh", "abc"))
    options = {"include_obfuscation": True}
    chunks = events((await client.post(PATH, json=chat(stream=True, stream_options=options))).text)
    sizes = {
        len(chunk["choices"][0]["delta"]["content"]) + len(chunk["obfuscation"])
        for chunk in chunks
        if chunk["choices"][0]["delta"].get("content")
    }
    assert sizes == {16}


async def test_text_that_needs_escaping(client: httpx.AsyncClient, model: FakeModel, chat: Body) -> None:
    words = ('"', "\\", "\n\n", "data: x", "\u2028", "🐦", "\x00", "</script>")
    model.answers.append(words)
    chunks = events((await client.post(PATH, json=chat(stream=True))).text)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "".join(words)


async def test_logprobs_in_chunks(client: httpx.AsyncClient, chat: Body) -> None:
    chunks = events((await client.post(PATH, json=chat(stream=True, logprobs=True, top_logprobs=1))).text)
    entries = [e for chunk in chunks for e in (chunk["choices"][0]["logprobs"] or {"content": []})["content"]]
    assert bytes(byte for entry in entries for byte in entry["bytes"]).decode() == "Hello wörld"
    assert entries[0] == {
        "token": "H",
        "logprob": -0.25,
        "bytes": [72],
        "top_logprobs": [{"token": "a", "logprob": -1.47, "bytes": [97]}],
    }


async def test_legacy_stream(client: httpx.AsyncClient) -> None:
    body = {"model": "fake-model", "prompt": ["a", "b"], "echo": True, "stream": True, "logprobs": 1}
    chunks = events((await client.post("/v1/completions", json=body)).text)
    for index, prompt in enumerate("ab"):
        own = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == index]
        assert "".join(choice["text"] for choice in own) == prompt + "Hello wörld"
        assert own[-1]["finish_reason"] == "stop"
        offsets = [offset for choice in own if choice["logprobs"] for offset in choice["logprobs"]["text_offset"]]
        assert offsets == sorted(offsets)
        assert offsets[0] == 0
        assert own[0]["logprobs"]["token_logprobs"][0] is None


async def test_an_error_before_the_first_chunk_is_a_plain_error(
    client: httpx.AsyncClient, model: FakeModel, chat: Body
) -> None:
    model.answers.append(OverloadedError("The queue is full.", retry_after=7))
    response = await client.post(PATH, json=chat(stream=True))
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    assert response.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("failure", "kind"), [(RequestError("Gone wrong."), "invalid_request_error"), (OSError("secret"), "server_error")]
)
async def test_an_error_in_mid_stream(
    client: httpx.AsyncClient, model: FakeModel, chat: Body, failure: Exception, kind: str
) -> None:
    model.held = True

    async def break_off() -> None:
        stream = await model.streams.get()
        stream.put("Hel")
        stream.items.put_nowait(failure)

    breaker = asyncio.create_task(break_off())
    response = await client.post(PATH, json=chat(stream=True))
    await breaker
    assert response.status_code == 200
    last = json.loads(response.text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert last["error"]["type"] == kind
    assert "secret" not in response.text
    assert "[DONE]" not in response.text
    assert not model.open


async def test_an_answer_cut_by_the_server_is_an_error(client: httpx.AsyncClient, model: FakeModel, chat: Body) -> None:
    model.held = True

    async def abort() -> None:
        stream = await model.streams.get()
        stream.put("Hel")
        stream.items.put_nowait(Delta(0, finish_reason=FinishReason.ABORT, usage=Usage(1, 1, 0)))

    breaker = asyncio.create_task(abort())
    response = await client.post(PATH, json=chat())
    await breaker
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "service_unavailable"


async def test_a_silent_stream_is_kept_alive(model: FakeModel, settings: Settings, chat: Body) -> None:
    model.held = True
    async with (
        serving(model, replace(settings, heartbeat_seconds=0.05)) as live,
        httpx.AsyncClient(timeout=WAIT) as client,
        client.stream("POST", live.url + PATH, json=chat(stream=True)) as response,
    ):
        stream = await model.streams.get()
        lines = response.aiter_lines()
        assert (await anext(lines)).startswith(": ")
        stream.play(["hi"])
        rest = [line async for line in lines]
    assert any('"content":"hi"' in line for line in rest)
    assert rest[-2:] == ["data: [DONE]", ""]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_goes_frees_its_slot(
    live: Live, model: FakeModel, chat: Body, streamed: bool, begun: bool
) -> None:
    await leave(live, model, PATH, chat(stream=streamed), read=streamed, begun=begun)


async def test_a_client_that_goes_frees_all_prompts(live: Live, model: FakeModel) -> None:
    model.held = True
    async with httpx.AsyncClient() as client:
        body = {"model": "fake-model", "prompt": ["a", "b", "c"], "stream": True}
        request = asyncio.create_task(client.post(live.url + "/v1/completions", json=body, timeout=WAIT))
        async with asyncio.timeout(WAIT):
            streams = [await model.streams.get() for _ in range(3)]
            request.cancel()
            for stream in streams:
                await stream.closed.wait()


async def test_one_failing_prompt_fails_the_request(client: httpx.AsyncClient, model: FakeModel) -> None:
    body = {"model": "fake-model", "prompt": ["a", "b" * 5000], "max_tokens": 4}
    response = await client.post("/v1/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert response.json()["error"]["param"] == "prompt"
    assert not model.open
