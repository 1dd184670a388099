"""Any JSON at all: a request that is served, or an error in the API's shape. Never anything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from server.fields import Elsewhere, Refused
from server.fields_chat import CHAT, COMPLETIONS, USER
from spatz.errors import RequestError
from spatz.server.chat_request import ChatRequest
from spatz.server.completion_request import CompletionRequest
from spatz.server.problems import parse_body, validate
from spatz.server.state import sampling

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))


def bodies(kind: type[BaseModel], table: dict[str, Any], base: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Values that the table knows, and any others, for some of the fields."""
    known = {
        name: st.sampled_from([case.value for case in cases if not isinstance(case, Elsewhere)]) | ANYTHING
        for name, cases in table.items()
        if not all(isinstance(case, Refused) for case in cases)
    }
    fields = st.fixed_dictionaries({}, optional=known).map(lambda some: {**base, **some})
    return fields | st.dictionaries(st.sampled_from(sorted(kind.model_fields)) | TEXT, ANYTHING, max_size=6)


def check(kind: type[BaseModel], body: dict[str, Any]) -> None:
    try:
        request = validate(kind, body)
    except RequestError as error:
        assert set(error.body()["error"]) == {"message", "type", "param", "code"}
        assert error.status == 400
        assert len(error.message) < 2000
        return
    if isinstance(request, ChatRequest):
        sampling(request, 1.0, max_tokens=request.token_limit)
        assert all(isinstance(message["content"], str) for message in request.turn().messages)
    if isinstance(request, CompletionRequest):
        sampling(request, 1.0)
        assert request.prompts()


@settings(max_examples=400, deadline=None)
@given(bodies(ChatRequest, CHAT, {"model": "m", "messages": USER}))
def test_chat(body: dict[str, Any]) -> None:
    check(ChatRequest, body)


@settings(max_examples=400, deadline=None)
@given(bodies(CompletionRequest, COMPLETIONS, {"model": "m", "prompt": "p"}))
def test_completions(body: dict[str, Any]) -> None:
    check(CompletionRequest, body)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["role", "content", "name", "refusal", "tool_calls"]), ANYTHING)))
def test_messages(messages: list[Any]) -> None:
    check(ChatRequest, {"model": "m", "messages": messages})


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | TEXT.map(lambda text: f'{{"{text}": [{text}]}}'.encode()))
def test_bytes(data: bytes) -> None:
    try:
        assert isinstance(parse_body(data), dict)
    except RequestError as error:
        assert error.code in ("invalid_json", "invalid_type")


@pytest.mark.parametrize("depth", [10, 100, 1000, 100_000])
def test_depth(depth: int) -> None:
    data = b'{"messages":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    with pytest.raises(RequestError):
        validate(ChatRequest, parse_body(data))
