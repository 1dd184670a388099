"""The OpenAPI document: whole, valid, fresh in docs/, and true to what the server really answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from server import batching
from server.contract import api, check, operation
from server.fake import FakeModel
from spatz.config import Settings
from spatz.server.endpoints import ENDPOINTS
from spatz.server.reference import page

DOCS = Path(__file__).parents[2] / "docs"
CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hi"}]
TOOL = {
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()


def test_the_document_is_fresh() -> None:
    shown = (DOCS / "openapi.json").read_text(encoding="utf-8")
    assert json.loads(shown) == api(), "run: python -m spatz.server.openapi > docs/openapi.json"


def test_the_reference_is_fresh() -> None:
    shown = (DOCS / "reference.md").read_text(encoding="utf-8")
    assert shown == page(api()), "run: python -m spatz.server.reference > docs/reference.md"


def test_schemas_are_valid_and_references_lead_somewhere() -> None:
    for name, schema in api()["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert "__" not in name
    for reference in references(api()):
        place: Any = api()
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_every_endpoint_has_an_operation_of_its_own() -> None:
    found = [item for operations in api()["paths"].values() for item in operations.values()]
    assert len(found) == len(ENDPOINTS)
    assert len({item["operationId"] for item in found}) == len(found)
    assert operation("GET", "/healthz")["security"] == []  # type: ignore[index]


async def test_the_server_gives_the_document(client: httpx.AsyncClient) -> None:
    assert (await client.get("/openapi.json")).json() == api()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stream": True},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": True}},
        {"n": 2, "logprobs": True, "top_logprobs": 2},
        {"n": 2, "logprobs": True, "top_logprobs": 2, "stream": True},
        {"store": True, "metadata": {"a": "b"}},
        {"max_tokens": 2},
        {"temperature": 3},
        {"messages": []},
        {"model": "other"},
        {"tools": [{"type": "function", "function": TOOL}], "tool_choice": "none"},
    ],
)
async def test_chat_answers_fit(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    check(await client.post(CHAT, json={"model": "gpt-4.1-nano", "messages": MESSAGES, **fields}))


@pytest.mark.parametrize("stream", [False, True])
async def test_answers_with_calls_fit(client: httpx.AsyncClient, model: FakeModel, stream: bool) -> None:
    call = json.dumps({"name": "get_weather", "arguments": {"city": "Paris"}})
    chat_tool = {"type": "function", "function": TOOL}
    for path, body in (
        (CHAT, {"messages": MESSAGES, "tools": [chat_tool], "tool_choice": "required"}),
        ("/v1/responses", {"input": "hi", "tools": [{"type": "function", **TOOL}], "tool_choice": "required"}),
    ):
        model.answers.append([call])
        answer = await client.post(path, json={"model": "gpt-4.1-nano", "stream": stream, **body})
        assert answer.status_code == 200 and "get_weather" in answer.text
        check(answer)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"logprobs": 2, "echo": True},
        {"logprobs": 2, "echo": True, "stream": True},
        {"prompt": ["a", "b"], "n": 2, "best_of": 3},
        {"suffix": "x"},
    ],
)
async def test_completions_fit(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    check(await client.post("/v1/completions", json={"model": "gpt-4.1-nano", "prompt": "hi", **fields}))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stream": True},
        {"stream": True, "stream_options": {"include_obfuscation": True}},
        {"stream": True, "include": ["message.output_text.logprobs"], "top_logprobs": 2},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
        {"max_output_tokens": 16, "instructions": "Be short.", "metadata": {"a": "b"}, "user": "ada"},
        {"text": {"format": {"type": "json_object"}}, "input": "Give JSON."},
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": TOOL["parameters"], "strict": True}}},
        {"tools": [{"type": "function", **TOOL}, {"type": "custom", "name": "c"}], "tool_choice": "none"},
        {"reasoning": {"effort": "high"}},
        {"previous_response_id": "resp_unknown"},
    ],
)
async def test_responses_fit(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    check(await client.post("/v1/responses", json={"model": "gpt-4.1-nano", "input": "hi", **fields}))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_everything_that_is_stored_fits(
    model: FakeModel, settings: Settings, kind: str, request: pytest.FixtureRequest
) -> None:
    """Each endpoint at least once with a 200, on both databases."""
    if kind == "postgresql":
        settings = replace(settings, database_url=request.getfixturevalue("postgres_copies")("migrated"))
    seen: set[tuple[str, str]] = set()
    async with batching.running(model, settings) as running:
        client = running.client

        async def call(method: str, path: str, status: int = 200, **rest: Any) -> Any:
            answer = await client.request(method, path, **rest)
            assert answer.status_code == status, answer.text
            check(answer)
            if status == 200:
                seen.add((method, operation(method, answer.request.url.path)["operationId"]))  # type: ignore[index]
            return answer.json() if answer.headers["content-type"] == "application/json" else None

        base = {"model": "gpt-4.1-nano"}
        chat = await call("POST", CHAT, json={**base, "messages": MESSAGES, "store": True, "metadata": {"a": "b"}})
        one = f"{CHAT}/{chat['id']}"
        await call("GET", CHAT, params={"metadata[a]": "b"})
        await call("GET", one)
        await call("POST", one, json={"metadata": {"c": "d"}})
        await call("GET", f"{one}/messages")
        await call("DELETE", one)
        await call("GET", one, 404)
        await call("GET", CHAT, 400, params={"limit": "many"})
        await call("POST", "/v1/completions", json={**base, "prompt": "hi"})

        made = await call("POST", "/v1/responses", json={**base, "input": [{"role": "user", "content": "hi"}]})
        one = f"/v1/responses/{made['id']}"
        await call("GET", one)
        await call("GET", f"{one}/input_items")
        await call("POST", f"{one}/cancel", 400, json={})
        await call("DELETE", one)
        await call("POST", "/v1/responses/input_tokens", json={**base, "input": "hi"})
        later = await call("POST", "/v1/responses", json={**base, "input": "hi", "background": True, "stream": False})
        await call("POST", f"/v1/responses/{later['id']}/cancel", json={})

        talk = await call("POST", "/v1/conversations", json={"items": MESSAGES, "metadata": {"a": "b"}})
        one = f"/v1/conversations/{talk['id']}"
        await call("GET", one)
        await call("POST", one, json={"metadata": None})
        items = await call("POST", f"{one}/items", json={"items": MESSAGES})
        await call("GET", f"{one}/items")
        await call("GET", f"{one}/items/{items['data'][0]['id']}")
        await call("DELETE", f"{one}/items/{items['data'][0]['id']}")
        await call("DELETE", one)

        lines = batching.jsonl(*(batching.line(number) for number in range(3)))
        file = await call("POST", "/v1/files", files={"file": ("in.jsonl", lines)}, data={"purpose": "batch"})
        one = f"/v1/files/{file['id']}"
        await call("GET", "/v1/files")
        await call("GET", one)
        await call("GET", f"{one}/content")
        batch = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
        begun = await call("POST", "/v1/batches", json=batch)
        await call("GET", "/v1/batches")
        await running.until(begun, *batching.ENDED)
        await call("GET", f"/v1/batches/{begun['id']}")
        await call("POST", f"/v1/batches/{begun['id']}/cancel", 409, json={})
        broken = await running.whole(b"nonsense\n")
        await call("GET", f"/v1/batches/{broken['id']}")
        model.held = True
        stopped = await running.begin(lines)
        await call("POST", f"/v1/batches/{stopped['id']}/cancel", json={})
        model.held = False
        await running.until(stopped, *batching.ENDED)
        await call("DELETE", one)

        await call("GET", "/v1/models")
        await call("GET", "/v1/models/gpt-4.1-nano")
        await call("GET", "/v1/organization/usage/completions", params={"start_time": 1, "group_by[]": "model"})
        await call("GET", "/v1/organization/usage/completions", 400)
        await call("GET", "/healthz")
        await call("GET", "/metrics")
    wanted = {
        (method.upper(), item["operationId"])
        for operations in api()["paths"].values()
        for method, item in operations.items()
    }
    assert seen == wanted
