"""Any JSON at all: a request that is served, or an error in the API's shape. Never anything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from server.fields import Elsewhere, Refused
from server.fields_chat import CHAT, COMPLETIONS, USER
from server.fields_responses import RESPONSES
from spatz.errors import RequestError
from spatz.server.chat_request import ChatRequest
from spatz.server.completion_request import CompletionRequest
from spatz.server.problems import parse_body, validate
from spatz.server.responses_answer import new_response
from spatz.server.responses_kept import stored, user_message
from spatz.server.responses_request import ResponseRequest
from spatz.server.state import sampling
from spatz.server.web_search_fields import WEB_SEARCH
from spatz.server.web_search_item import WebSearchCall

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


def check_error(error: RequestError) -> None:
    assert set(error.body()["error"]) == {"message", "type", "param", "code"}
    assert error.status == 400
    assert len(error.message) < 2000


def check(kind: type[BaseModel], body: dict[str, Any]) -> None:
    try:
        request = validate(kind, body)
        turn = request.turn() if isinstance(request, ChatRequest) else None
    except RequestError as error:
        check_error(error)
        return
    if isinstance(request, ChatRequest):
        assert turn is not None
        sampling(request, 1.0, max_tokens=request.token_limit)
        assert all(isinstance(message["content"], str) for message in turn.messages)
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


PLACES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["approximate", "exact", None]),
        "approximate": ANYTHING,
        **dict.fromkeys(("country", "region", "city", "timezone"), TEXT | SCALARS),
    },
)
DOMAINS = st.lists(st.from_regex(r"[a-zA-Z0-9.:/*-]{0,12}", fullmatch=True) | TEXT, max_size=4) | ANYTHING
SEARCHES = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(WEB_SEARCH)) | ANYTHING},
    optional={
        "search_context_size": st.sampled_from(["low", "medium", "high"]) | ANYTHING,
        "user_location": PLACES | ANYTHING,
        "filters": st.fixed_dictionaries({}, optional={"allowed_domains": DOMAINS, "blocked_domains": DOMAINS}),
        "external_web_access": ANYTHING,
        "search_content_types": st.lists(st.sampled_from(["text", "image"]) | SCALARS, max_size=3),
    },
)
CHOICES = st.fixed_dictionaries(
    {"type": st.sampled_from(["web_search", "allowed_tools", "function"]) | ANYTHING},
    optional={"mode": st.sampled_from(["auto", "required"]), "tools": st.lists(SEARCHES | ANYTHING), "name": TEXT},
)


def check_response(body: dict[str, Any]) -> None:
    try:
        request = validate(ResponseRequest, body)
        turn = request.turn([user_message("Some JSON, please.")])
    except RequestError as error:
        check_error(error)
        return
    assert turn.messages and new_response(request, "m", 0.0)["status"] in ("in_progress", "queued")


@settings(max_examples=150, deadline=None)
@given(bodies(ResponseRequest, RESPONSES, {"model": "m", "input": "hi"}))
def test_responses(body: dict[str, Any]) -> None:
    check_response(body)


@settings(max_examples=150, deadline=None)
@given(st.lists(SEARCHES, min_size=1, max_size=2), st.none() | st.sampled_from(["auto", "required"]) | CHOICES)
def test_searches(tools: list[Any], choice: Any) -> None:
    check_response({"model": "m", "input": "hi", "tools": tools, "tool_choice": choice})
    check(ChatRequest, {"model": "m", "messages": USER, "web_search_options": tools[0]})


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {"type": st.just("web_search_call")},
        optional={
            "id": TEXT,
            "status": st.sampled_from(["completed", "failed"]) | SCALARS,
            "action": st.fixed_dictionaries(
                {"type": st.sampled_from(["search", "open_page", "find_in_page"]) | ANYTHING},
                optional={"query": TEXT, "queries": st.lists(TEXT), "url": TEXT, "sources": ANYTHING, "pattern": TEXT},
            )
            | ANYTHING,
            "results": st.lists(st.dictionaries(TEXT, ANYTHING)) | ANYTHING,
        },
    )
)
def test_items_of_searches(item: dict[str, Any]) -> None:
    try:
        (given,) = validate(ResponseRequest, {"model": "m", "input": [item]}).input or ()
    except RequestError as error:
        assert error.status == 400 and (error.param or "").startswith("input[0]")
        return
    assert isinstance(given, WebSearchCall)
    assert stored(given)["action"]["type"] in ("search", "open_page", "find_in_page")


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
