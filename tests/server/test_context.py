"""How prompts are read: the field, the server's default, the header, the usage, and the limit of each mode."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.conftest import WAIT
from server.fake import CONTEXT, FakeModel
from spatz.config import Settings
from spatz.server.app import create_app
from spatz.server.context import LONG_PROMPT

CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
LIMIT = 4 * CONTEXT
READ = (3, ((5, 9), (20, 30)))
EXACT = {"mode": "exact", "blocks": 0, "spans": []}
LONG = "x" * (CONTEXT + 10)


def asked(path: str, text: str = "hi", **fields: Any) -> dict[str, Any]:
    prompts = {CHAT: {"messages": [{"role": "user", "content": text}]}, COMPLETIONS: {"prompt": text}}
    return {"model": "fake-model", **prompts.get(path, {"input": text}), **fields}


@pytest.fixture
def model() -> FakeModel:
    model = FakeModel()
    model.context_limit = LIMIT
    model.read = READ
    return model


def told(mode: str) -> dict[str, Any]:
    return EXACT if mode == "exact" else {"mode": mode, "blocks": 3, "spans": [[5, 9], [20, 30]]}


@pytest.mark.parametrize("mode", ["exact", "routed", "skim"])
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, RESPONSES])
async def test_the_mode_is_asked_for_and_told(client: httpx.AsyncClient, path: str, mode: str) -> None:
    response = await client.post(path, json=asked(path, spatz={"context": mode}))
    assert response.headers["x-spatz-context"] == mode
    assert response.json()["usage"]["spatz"] == told(mode)


@pytest.mark.parametrize(("text", "mode"), [("hi", "exact"), (LONG, "routed")])
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, RESPONSES])
async def test_what_does_not_fit_the_model_is_routed(
    client: httpx.AsyncClient, path: str, text: str, mode: str
) -> None:
    response = await client.post(path, json=asked(path, text))
    assert response.headers["x-spatz-context"] == mode
    assert response.json()["usage"]["spatz"] == told(mode)


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_streams_tell_it_before_their_first_chunk_and_in_their_usage(
    client: httpx.AsyncClient, path: str
) -> None:
    body = asked(path, spatz={"context": "skim"}, stream=True, stream_options={"include_usage": True})
    response = await client.post(path, json=body)
    assert response.headers["x-spatz-context"] == "skim"
    last = response.text.split("data: ")[-2]
    assert json.loads(last)["usage"]["spatz"] == told("skim")


async def test_the_stream_of_a_response_tells_it(client: httpx.AsyncClient) -> None:
    response = await client.post(RESPONSES, json=asked(RESPONSES, LONG, stream=True))
    assert response.headers["x-spatz-context"] == "routed"
    assert json.loads(response.text.split("data: ")[-1])["response"]["usage"]["spatz"] == told("routed")


async def test_what_runs_in_the_background_tells_it_when_it_is_there(client: httpx.AsyncClient) -> None:
    begun = await client.post(RESPONSES, json=asked(RESPONSES, LONG, background=True, stream=True))
    assert "x-spatz-context" not in begun.headers
    assert json.loads(begun.text.split("data: ")[-1])["response"]["usage"]["spatz"] == told("routed")


async def test_an_error_has_no_mode(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.answers.append(RuntimeError("broken"))
    response = await client.post(CHAT, json=asked(CHAT))
    assert response.status_code == 500
    assert "x-spatz-context" not in response.headers


async def test_choices_share_their_prompt(client: httpx.AsyncClient) -> None:
    answer = (await client.post(CHAT, json=asked(CHAT, LONG, n=3))).json()
    assert answer["usage"]["spatz"] == told("routed")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("prompts", "mode"), [(["hi", LONG], "mixed"), (["hi", "ho"], "exact"), ([LONG, LONG + "y"], "routed")]
)
async def test_several_prompts_are_told_one_by_one(
    client: httpx.AsyncClient, prompts: list[str], mode: str, stream: bool
) -> None:
    fields = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    response = await client.post(COMPLETIONS, json=asked(COMPLETIONS, prompt=prompts, n=2, **fields))
    usage = (json.loads(response.text.split("data: ")[-2]) if stream else response.json())["usage"]["spatz"]
    single = [told("routed" if len(prompt) > CONTEXT else "exact") for prompt in prompts]
    assert response.headers["x-spatz-context"] == mode == usage["mode"]
    assert usage == {"mode": mode, "blocks": sum(use["blocks"] for use in single), "prompts": single}


@pytest.fixture
async def skimming(model: FakeModel, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(model, replace(settings, context="skim"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=WAIT) as one:
        yield one


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, RESPONSES])
async def test_the_server_has_a_default(skimming: httpx.AsyncClient, model: FakeModel, path: str) -> None:
    for fields in ({}, {"spatz": None}, {"spatz": {}}, {"spatz": {"context": None}}):
        assert (await skimming.post(path, json=asked(path, **fields))).headers["x-spatz-context"] == "skim"
    other = await skimming.post(path, json=asked(path, spatz={"context": "auto"}))
    assert other.headers["x-spatz-context"] == "exact"


async def test_the_engine_learns_whose_it_is_and_where_its_parts_are(
    client: httpx.AsyncClient, model: FakeModel
) -> None:
    for path in (CHAT, COMPLETIONS, RESPONSES):
        assert (await client.post(path, json=asked(path))).status_code == 200
    for request in model.requests:
        assert request.owner == ""
        assert [(area.start, area.end) for area in request.areas] == [(0, len(request.prompt))]


async def test_the_owner_of_a_request_is_its_key(model: FakeModel, settings: Settings) -> None:
    app = create_app(model, replace(settings, api_key=("one", "two")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=WAIT) as two:
        for key in ("one", "two", "one"):
            headers = {"authorization": f"Bearer {key}"}
            assert (await two.post(CHAT, json=asked(CHAT), headers=headers)).status_code == 200
    first, second, third = (request.owner for request in model.requests)
    assert first and second and first != second and first == third


@pytest.mark.parametrize(("size", "beside"), [(LONG_PROMPT - 100, True), (LONG_PROMPT + 100, False)])
async def test_long_prompts_are_planned_beside_the_event_loop(
    client: httpx.AsyncClient, model: FakeModel, size: int, beside: bool
) -> None:
    assert (await client.post(CHAT, json=asked(CHAT, "x" * size))).status_code == 200
    assert model.planned == [beside]


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, RESPONSES])
@pytest.mark.parametrize(("mode", "limit"), [("exact", CONTEXT), ("auto", LIMIT), ("routed", LIMIT), ("skim", LIMIT)])
async def test_each_mode_has_its_limit(client: httpx.AsyncClient, path: str, mode: str, limit: int) -> None:
    fits = await client.post(path, json=asked(path, "x" * (limit - 100), spatz={"context": mode}))
    assert fits.status_code == 200, fits.text
    refused = await client.post(path, json=asked(path, "x" * (limit + 1), spatz={"context": mode}))
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (400, "context_length_exceeded")
    assert f"maximum context length is {limit} tokens" in error["message"]
    assert error["param"] == {CHAT: "messages", COMPLETIONS: "prompt", RESPONSES: "input"}[path]


@pytest.mark.parametrize(("mode", "limit"), [("exact", CONTEXT), ("auto", LIMIT)])
async def test_the_limit_is_of_prompt_and_output(client: httpx.AsyncClient, mode: str, limit: int) -> None:
    text = "x" * (limit - len("user:\n") - 50)
    for tokens, status in ((50, 200), (51, 400)):
        body = asked(RESPONSES, text, max_output_tokens=tokens, spatz={"context": mode})
        response = await client.post(RESPONSES, json=body)
        assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(("mode", "kept"), [("exact", 1), ("auto", 3)])
async def test_truncation_keeps_what_the_mode_can_read(
    client: httpx.AsyncClient, model: FakeModel, mode: str, kept: int
) -> None:
    items = [{"role": "user", "content": letter * (CONTEXT // 2)} for letter in "abc"]
    body = {"model": "fake-model", "input": items, "truncation": "auto", "spatz": {"context": mode}}
    response = await client.post(RESPONSES, json=body)
    assert response.status_code == 200, response.text
    assert len({*bytes(model.requests[-1].prompt)} & {*b"abc"}) == kept
    assert len(model.requests[-1].prompt) < (CONTEXT if mode == "exact" else LIMIT)
    counted = await client.post("/v1/responses/input_tokens", json=body)
    assert counted.json()["input_tokens"] == len(model.requests[-1].prompt)


async def test_a_model_that_cannot_route_says_so_in_its_card(client: httpx.AsyncClient, model: FakeModel) -> None:
    card = (await client.get("/v1/models/fake-model")).json()["spatz"]
    assert card == {"context": "auto", "native_context": CONTEXT, "context_limit": LIMIT, "images": "read"}
    model.context_limit = 0
    card = (await client.get("/v1/models/fake-model")).json()["spatz"]
    assert card == {"context": "auto", "native_context": CONTEXT, "context_limit": CONTEXT, "images": "read"}
    assert (await client.get("/v1/models")).json()["data"][0]["spatz"] == card


# --- elsewhere -------------------------------------------------------------------------------------------------------


async def test_metrics_count_prompts_and_blocks(client: httpx.AsyncClient) -> None:
    for mode in ("exact", "skim", "routed", "skim"):
        await client.post(CHAT, json=asked(CHAT, spatz={"context": mode}))
    families = list(text_string_to_metric_families((await client.get("/metrics")).text))
    values = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    assert values["spatz_context_prompts_total", "skim"] == 2
    assert values["spatz_context_prompts_total", "routed"] == values["spatz_context_prompts_total", "exact"] == 1
    assert values["spatz_context_blocks_total", "skim"] == 6
    assert ("spatz_context_blocks_total", "exact") not in values
    assert values["spatz_prefill_done_tokens",] == 19
    assert values["spatz_prefill_left_tokens",] == 23 - 19


async def test_what_is_stored_says_how_it_was_read(client: httpx.AsyncClient) -> None:
    made = (await client.post(CHAT, json=asked(CHAT, store=True, spatz={"context": "routed"}))).json()
    found = (await client.get(f"{CHAT}/{made['id']}")).json()
    assert found["usage"]["spatz"] == told("routed")


async def test_a_charge_is_given_back_when_a_prompt_does_not_fit(model: FakeModel, settings: Settings) -> None:
    app = create_app(model, replace(settings, api_key=("one",), tokens_per_minute=10 * LIMIT))
    headers = {"authorization": "Bearer one"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=WAIT) as one:
        response = await one.post(CHAT, json=asked(CHAT, "x" * (LIMIT + 1)), headers=headers)
        assert response.json()["error"]["code"] == "context_length_exceeded"
        response = await one.post(CHAT, json=asked(CHAT, max_tokens=5), headers=headers)
    assert int(response.headers["x-ratelimit-remaining-tokens"]) > 10 * LIMIT - 100
