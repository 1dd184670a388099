"""Every field of every request in tables: honoured, with its effect seen, or refused with its exact error.

The fields are those of the client library, which is made of the API's own description, and those of our own models. A
field that a newer library has, or that a model gains, is in no table and fails here.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import httpx
import pytest
from openai.types import batch_create_params, completion_create_params, file_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import response_create_params
from pydantic import BaseModel

from server.fake import FakeModel
from server.fields import Elsewhere, Honoured, Refused, Sight, Table
from server.fields_chat import CHAT, COMPLETIONS, USER
from server.fields_files import BATCHES, FILES
from server.fields_responses import RESPONSES
from spatz.server.batch_body import BatchRequest
from spatz.server.chat_request import ChatRequest
from spatz.server.completion_request import CompletionRequest
from spatz.server.responses_request import ResponseRequest
from spatz.server.routes.files import FileRequest

TESTS = Path(__file__).parents[1]


class Endpoint(NamedTuple):
    table: Table
    base: dict[str, Any]  # the least that a request needs
    library: tuple[type, ...]
    ours: type[BaseModel]


ENDPOINTS = {
    "/v1/chat/completions": Endpoint(
        CHAT,
        {"model": "fake-model", "messages": USER},
        (
            chat_create_params.CompletionCreateParamsNonStreaming,
            chat_create_params.CompletionCreateParamsStreaming,
        ),
        ChatRequest,
    ),
    "/v1/completions": Endpoint(
        COMPLETIONS,
        {"model": "fake-model", "prompt": "hi"},
        (completion_create_params.CompletionCreateParamsNonStreaming,),
        CompletionRequest,
    ),
    "/v1/responses": Endpoint(
        RESPONSES,
        {"model": "fake-model", "input": "hi"},
        (
            response_create_params.ResponseCreateParamsNonStreaming,
            response_create_params.ResponseCreateParamsStreaming,
        ),
        ResponseRequest,
    ),
    "/v1/files": Endpoint(FILES, {"purpose": "batch"}, (file_create_params.FileCreateParams,), FileRequest),
    "/v1/batches": Endpoint(
        BATCHES,
        {"input_file_id": "", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
        (batch_create_params.BatchCreateParams,),
        BatchRequest,
    ),
}
CASES = [
    pytest.param(path, name, case, id=f"{path.removeprefix('/v1/')}-{name}-{place}")
    for path, endpoint in ENDPOINTS.items()
    for name, cases in endpoint.table.items()
    for place, case in enumerate(cases)
]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_the_tables_have_every_field(path: str) -> None:
    endpoint = ENDPOINTS[path]
    of_library = {name for params in endpoint.library for name in get_type_hints(params)}
    assert of_library - set(endpoint.table) == set(), "the API has fields that nobody has thought of"
    assert set(endpoint.ours.model_fields) - set(endpoint.table) == set()
    assert set(endpoint.table) - of_library - set(endpoint.ours.model_fields) == set()
    assert all(endpoint.table.values())


@cache
def functions(path: str) -> dict[str, str]:
    """The tests of a file, each with its source and its parameters."""
    text = (TESTS / path).read_text(encoding="utf-8")
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {
        node.name: "\n".join(
            [ast.get_source_segment(text, node) or "", *(ast.unparse(item) for item in node.decorator_list)]
        )
        for node in nodes
        if node.name.startswith("test_")
    }


# Shown by what all requests have in common.
SHARED_CACHE = "context/test_prefix.py"


async def post(client: httpx.AsyncClient, path: str, fields: dict[str, Any]) -> httpx.Response:
    if path == "/v1/files":
        return await client.post(path, data=fields, files={"file": ("a.jsonl", b"{}\n")})
    if path == "/v1/batches" and not fields["input_file_id"]:
        given = await client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", b"{}\n")})
        fields = {**fields, "input_file_id": given.json()["id"]}
    return await client.post(path, json=fields)


@pytest.mark.parametrize(("path", "name", "case"), CASES)
async def test_field(
    client: httpx.AsyncClient, model: FakeModel, path: str, name: str, case: Honoured | Elsewhere | Refused
) -> None:
    if isinstance(case, Elsewhere):
        file, _, test = case.test.partition("::")
        assert test in functions(file), f"{case.test} is not there"
        assert file == SHARED_CACHE or mentions(file, test, name), f"{case.test} does not speak of {name}"
        return
    response = await post(client, path, {**ENDPOINTS[path].base, **case.extra, name: case.value})
    if isinstance(case, Honoured):
        assert response.status_code == 200, response.text
        request = model.requests[0] if model.requests else None
        turn = model.turns[0] if model.turns else None
        assert case.seen(Sight(request, response.json(), turn))  # type: ignore[arg-type]
        return
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    found = (response.status_code, error["type"], error["param"], error["code"])
    assert found == (case.status, "invalid_request_error", case.param, case.code), error
    assert case.message is None or error["message"] == case.message
    assert len(error["message"]) > 10
    assert not model.requests


def mentions(file: str, test: str, name: str) -> bool:
    """In the test itself, or in a table or a helper of its file that it names."""
    text = (TESTS / file).read_text(encoding="utf-8")
    word = re.compile(rf"\b{re.escape(name)}\b")
    return bool(word.search(functions(file)[test]) or word.search(text))


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
async def test_null_is_as_good_as_nothing(client: httpx.AsyncClient, path: str) -> None:
    endpoint = ENDPOINTS[path]
    optional = [name for name in endpoint.table if name not in endpoint.base and name != "reasoning_effort"]
    response = await client.post(path, json={**endpoint.base, **dict.fromkeys(optional)})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_unknown_field(client: httpx.AsyncClient, path: str) -> None:
    response = await post(client, path, {**ENDPOINTS[path].base, "colour": "red"})
    assert response.status_code == 400
    unnamed = {"message": "Unrecognized request argument supplied: colour", "param": None, "code": None}
    named = {"message": "Unknown parameter: 'colour'.", "param": "colour", "code": "unknown_parameter"}
    wanted = named if path == "/v1/responses" else unnamed
    assert response.json()["error"] == {**wanted, "type": "invalid_request_error"}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/batches"])
async def test_missing_fields(client: httpx.AsyncClient, path: str) -> None:
    for name in ENDPOINTS[path].base:
        body = {key: value for key, value in ENDPOINTS[path].base.items() if key != name}
        error = (await client.post(path, json=body)).json()["error"]
        assert (error["param"], error["code"]) == (name, "missing_required_parameter")
