"""The events of a response: their order, their numbers, their types, and what ends a stream."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from server.conftest import WAIT, Live, serving
from server.fake import FakeModel
from server.leaving import leave
from server.responding import PATH, body, call, check_response, function, names, parse_stream
from spatz.config import Settings
from spatz.engine.request import Delta, FinishReason, Usage
from spatz.errors import OverloadedError, RequestError

TEXT = [
    "created",
    "in_progress",
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
]
CALL = [
    "output_item.added",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "output_item.done",
]


async def stream(client: httpx.AsyncClient, openly: bool = True, **fields: Any) -> list[dict[str, Any]]:
    response = await client.post(PATH, json=body(stream=True, **fields))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in response.headers
    return parse_stream(response.text, openly=openly)


async def test_events_of_a_text(client: httpx.AsyncClient) -> None:
    events = await stream(client)
    assert names(events) == [*TEXT, "completed"]
    first, item, part = events[0], events[2], events[3]
    assert first["response"]["status"] == events[1]["response"]["status"] == "in_progress"
    assert first["response"]["output"] == [] and first["response"]["usage"] is None
    assert item["item"]["content"] == [] and item["item"]["status"] == "in_progress"
    assert part["part"] == {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    assert {event["item_id"] for event in events if "item_id" in event} == {item["item"]["id"]}
    assert "".join(event["delta"] for event in events if "delta" in event) == "Hello wörld"
    assert next(event for event in events if event["type"] == "response.output_text.done")["text"] == "Hello wörld"
    last = check_response(events[-1]["response"])
    assert last["id"] == first["response"]["id"]
    assert last["status"] == "completed" and last["completed_at"] >= last["created_at"]
    assert last["output"] == [events[-2]["item"]]
    assert last["output"][0]["status"] == "completed"
    assert last["usage"]["output_tokens"] == len("Hello wörld".encode())


async def test_the_whole_answer_is_the_last_event(client: httpx.AsyncClient) -> None:
    whole = (await client.post(PATH, json=body())).json()
    streamed = (await stream(client))[-1]["response"]
    for response in (whole, streamed):
        response["output"][0]["id"] = response["id"] = ""
        response["created_at"] = response["completed_at"] = 0
    assert whole == streamed


async def test_an_answer_without_text_has_an_empty_message(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append(())
    events = await stream(client)
    assert names(events) == [name for name in [*TEXT, "completed"] if name != "output_text.delta"]
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == ""


async def test_events_of_an_answer_that_is_cut(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append(("0123456789", "0123456789"))
    events = await stream(client, max_output_tokens=16)
    assert names(events) == [*TEXT, "incomplete"]
    last = check_response(events[-1]["response"])
    assert last["status"] == "incomplete"
    assert last["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["completed_at"] is None
    assert last["output"][0]["status"] == "incomplete"
    assert last["output"][0]["content"][0]["text"] == "0123456789012345"


async def test_events_of_a_call(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append(tuple(call()))
    events = await stream(client, tools=[function()], tool_choice="required")
    assert names(events) == ["created", "in_progress", *CALL, "completed"]
    added, done = events[2], events[-3]
    assert added["item"] == {**events[-2]["item"], "status": "in_progress", "arguments": ""}
    assert added["item"]["id"].startswith("fc_") and added["item"]["call_id"].startswith("call_")
    assert "".join(event["delta"] for event in events if "delta" in event) == done["arguments"] == '{"city": "Paris"}'
    assert done["name"] == "get_weather" and done["item_id"] == added["item"]["id"]
    last = check_response(events[-1]["response"])
    assert last["output"] == [events[-2]["item"]] and last["output"][0]["status"] == "completed"


async def test_events_of_several_calls(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append((call(), "\n", call("get_time", "{}")))
    tools = [function(), {"type": "function", "name": "get_time", "parameters": None}]
    events = await stream(client, tools=tools, tool_choice="required")
    assert names(events) == ["created", "in_progress", *CALL, *CALL, "completed"]
    places = [event["output_index"] for event in events if event["type"] == "response.output_item.done"]
    assert places == [0, 1]
    assert [item["name"] for item in events[-1]["response"]["output"]] == ["get_weather", "get_time"]


async def test_events_of_a_custom_tool(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append(('{"name": "run", "input": <input>', "print(1)", "</input>}"))
    tools = [{"type": "custom", "name": "run"}]
    events = await stream(client, openly=False, tools=tools, tool_choice={"type": "custom", "name": "run"})
    assert names(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ]
    item = events[-1]["response"]["output"][0]
    assert item["type"] == "custom_tool_call" and item["id"].startswith("ctc_") and item["input"] == "print(1)"


async def test_a_call_that_is_cut_is_incomplete(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append(tuple(call()))
    events = await stream(client, tools=[function()], tool_choice="required", max_output_tokens=40)
    assert names(events) == ["created", "in_progress", *CALL, "incomplete"]
    item = check_response(events[-1]["response"])["output"][0]
    assert item["status"] == "incomplete"
    assert '{"city": "Paris"}'.startswith(item["arguments"]) and item["arguments"] == events[-3]["arguments"]


async def test_logprobs(client: httpx.AsyncClient) -> None:
    events = await stream(client, include=["message.output_text.logprobs"], top_logprobs=2)
    deltas = [event for event in events if "delta" in event]
    entries = [entry for event in deltas for entry in event["logprobs"]]
    assert "".join(entry["token"] for entry in entries if entry["bytes"][0] < 128) == "Hello wrld"
    assert entries[0] == {
        "token": "H",
        "logprob": -0.25,
        "bytes": [72],
        "top_logprobs": [
            {"token": "a", "logprob": -1.47, "bytes": [97]},
            {"token": "b", "logprob": -1.48, "bytes": [98]},
        ],
    }
    assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == entries


async def test_no_logprobs_unless_asked_for(client: httpx.AsyncClient, model: FakeModel) -> None:
    events = await stream(client)
    assert all(event["logprobs"] == [] for event in events if "delta" in event)
    assert model.requests[-1].params.logprobs is None


async def test_obfuscation_evens_out_sizes(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append(("a", "abcdefgh", "abc"))
    events = await stream(client, stream_options={"include_obfuscation": True})
    assert {len(event["delta"]) + len(event["obfuscation"]) for event in events if "delta" in event} == {16}


async def test_text_that_needs_escaping(client: httpx.AsyncClient, model: FakeModel) -> None:
    words = ('"', "\\", "\n\n", "data: x", "\u2028", "🐦", "\x00", "</script>", "event: x")
    model.answers.append(words)
    events = await stream(client)
    assert [event["delta"] for event in events if "delta" in event] == list(words)
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "".join(words)


async def test_an_error_before_the_first_event_is_a_plain_error(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append(OverloadedError("The queue is full.", retry_after=7))
    response = await client.post(PATH, json=body(stream=True))
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        (RequestError("Gone wrong."), "invalid_request_error", "invalid_prompt"),
        (OverloadedError("Stopping.", status=503), "requests", "server_error"),
        (OSError("secret"), "server_error", "server_error"),
    ],
)
async def test_an_error_in_mid_stream(
    client: httpx.AsyncClient, model: FakeModel, failure: Exception, kind: str, code: str
) -> None:
    model.held = True

    async def break_off() -> None:
        stream = await model.streams.get()
        stream.put("Hel")
        stream.items.put_nowait(failure)

    breaker = asyncio.create_task(break_off())
    events = await stream(client)
    await breaker
    assert names(events) == [*TEXT[:5], "error", "failed"]
    error = events[-2]
    assert error["error"] == {key: error["error"][key] for key in ("message", "type", "param", "code")}
    assert error["error"]["type"] == kind
    assert {key: error[key] for key in ("message", "param", "code")} == {
        key: error["error"][key] for key in ("message", "param", "code")
    }
    assert "secret" not in json.dumps(events)
    failed = check_response(events[-1]["response"])
    assert failed["status"] == "failed" and failed["error"]["code"] == code
    assert failed["output"][0]["status"] == "incomplete" and failed["output"][0]["content"][0]["text"] == "Hel"
    assert not model.open
    kept = (await client.get(f"{PATH}/{failed['id']}")).json()
    assert kept == failed


async def test_an_error_of_a_whole_answer(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.held = True

    async def abort() -> None:
        stream = await model.streams.get()
        stream.put("Hel")
        stream.items.put_nowait(Delta(0, finish_reason=FinishReason.ABORT, usage=Usage(1, 1, 0)))

    breaker = asyncio.create_task(abort())
    response = await client.post(PATH, json=body())
    await breaker
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "service_unavailable"


async def test_a_silent_stream_is_kept_alive(model: FakeModel, settings: Settings) -> None:
    model.held = True
    async with (
        serving(model, replace(settings, heartbeat_seconds=0.05)) as live,
        httpx.AsyncClient(timeout=WAIT) as client,
        client.stream("POST", live.url + PATH, json=body(stream=True)) as response,
    ):
        stream = await model.streams.get()
        lines = response.aiter_lines()
        assert (await anext(lines)).startswith(": ")
        stream.items.put_nowait(RequestError("Gone wrong."))
        rest = [line async for line in lines]
    # The stream had begun, so even an error before the first event is told as one.
    told = json.loads(next(line for line in rest if line.startswith("data: ")).removeprefix("data: "))
    assert told["type"] == "error" and told["message"] == told["error"]["message"] == "Gone wrong."


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_goes_frees_its_slot(live: Live, model: FakeModel, streamed: bool, begun: bool) -> None:
    await leave(live, model, PATH, body(stream=streamed), read=streamed, begun=begun)
