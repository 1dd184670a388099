"""Every field of a request for a response: honoured, as seen in what the model is asked or in the answer, or not."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

import httpx
import pytest

from server.fake import FakeModel
from server.responding import PATH, body, check_response, function
from spatz.prompt.turn import GrammarFormat, JsonFormat, Tool, ToolCall, ToolChoice
from spatz.server.responses_request import ResponseRequest

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
LOOSE = {"type": "object"}
USER = {"role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
GRAMMAR = {"type": "grammar", "syntax": "regex", "definition": "[a-z]+"}


class Missing(Enum):
    """Told apart from null; a name that is the same in every process, as tests that run side by side ask for."""

    MISSING = "missing"


MISSING = Missing.MISSING
ABSENT = "missing_required_parameter"

# field: (value, what the answer says of it)
REPEATED: dict[str, tuple[Any, Any]] = {
    "background": (False, False),
    "instructions": ("Be brief.", "Be brief."),
    "max_output_tokens": (16, 16),
    "max_tool_calls": (3, 3),
    "metadata": ({"a": "b"}, {"a": "b"}),
    "parallel_tool_calls": (False, False),
    "prompt_cache_key": ("key", "key"),
    "prompt_cache_retention": ("in_memory", "in_memory"),
    "reasoning": ({"effort": None, "summary": None}, {"effort": None, "summary": None}),
    "safety_identifier": ("user-1", "user-1"),
    "service_tier": ("auto", "default"),
    "store": (False, False),
    "temperature": (0.5, 0.5),
    "text": (
        {"format": {"type": "text"}, "verbosity": "medium"},
        {"format": {"type": "text"}, "verbosity": "medium"},
    ),
    "tool_choice": ("none", "none"),
    "tools": ([function(strict=True)], [{**function(), "description": None, "strict": True}]),
    "top_logprobs": (2, 2),
    "top_p": (0.5, 0.5),
    "truncation": ("auto", "auto"),
    "user": ("someone", "someone"),
}
# What is honoured without being repeated, and the tests that show it.
SEEN_ELSEWHERE = {
    "conversation",  # test_conversations.py
    "include",  # below
    "input",  # below
    "model",  # below
    "previous_response_id",  # test_responses.py
    "spatz",  # test_context.py
    "stream",  # test_responses_stream.py
    "stream_options",
}
UNSUPPORTED = (
    "access_programs",
    "background_options",
    "context_management",
    "image",
    "moderation",
    "prompt",
    "prompt_cache_options",
)


def test_the_tables_have_every_field() -> None:
    assert set(ResponseRequest.model_fields) == set(REPEATED) | SEEN_ELSEWHERE | set(UNSUPPORTED)


@pytest.mark.parametrize("field", REPEATED)
async def test_a_field_is_repeated_in_the_answer(client: httpx.AsyncClient, field: str) -> None:
    value, repeated = REPEATED[field]
    response = await client.post(PATH, json=body(**{field: value}))
    assert response.status_code == 200, response.text
    assert check_response(response.json())[field] == repeated


async def test_defaults(client: httpx.AsyncClient, model: FakeModel) -> None:
    found = check_response((await client.post(PATH, json=body())).json())
    assert found["model"] == "fake-model"
    assert found["temperature"] == 0.2 == model.requests[-1].params.temperature
    assert found["top_p"] == 1.0
    assert found["store"] is True and found["background"] is False
    assert found["tools"] == [] and found["tool_choice"] == "auto" and found["parallel_tool_calls"] is True
    assert found["truncation"] == "disabled" and found["metadata"] == {}
    assert found["instructions"] is None and found["previous_response_id"] is None
    assert found["error"] is None and found["incomplete_details"] is None
    assert found["usage"] == {
        "input_tokens": len("user:hi\n"),
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 12,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 20,
        "spatz": {"mode": "exact", "blocks": 0, "spans": []},
    }
    assert (await client.post(PATH, json=body(**dict.fromkeys(ResponseRequest.model_fields)))).is_error
    nulls = {key: None for key in ResponseRequest.model_fields if key not in ("model", "input")}
    assert (await client.post(PATH, json=body(**nulls))).status_code == 200


async def test_what_the_engine_is_asked(client: httpx.AsyncClient, model: FakeModel) -> None:
    fields = {"temperature": 0, "top_p": 0.25, "max_output_tokens": 77, "top_logprobs": 3}
    assert (await client.post(PATH, json=body(**fields))).status_code == 200
    params = model.requests[-1].params
    assert (params.temperature, params.top_p, params.max_tokens, params.logprobs) == (0, 0.25, 77, 3)


async def test_logprobs_are_included_on_demand(client: httpx.AsyncClient, model: FakeModel) -> None:
    found = (await client.post(PATH, json=body(include=["message.output_text.logprobs"]))).json()
    entries = check_response(found)["output"][0]["content"][0]["logprobs"]
    assert len(entries) == len("Hello wörld".encode()) and entries[0]["top_logprobs"] == []
    assert model.requests[-1].params.logprobs == 0


async def test_items_become_messages(client: httpx.AsyncClient, model: FakeModel) -> None:
    items = [
        {"role": "system", "content": "a"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "b"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "c"}, {"type": "input_text", "text": "d"}]},
        {"role": "assistant", "content": "e"},
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "f", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "g"},
            ],
        },
        {**CALL, "id": "fc_1", "status": "completed"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "run", "input": "1+1"},
        RESULT,
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "2"}]},
    ]
    response = await client.post(PATH, json=body(input=items, instructions="first"))
    assert response.status_code == 200, response.text
    assert model.turns[-1].messages == [
        {"role": "system", "content": "first"},
        {"role": "system", "content": "a"},
        {"role": "system", "content": "b"},
        {"role": "user", "content": "c\nd"},
        {"role": "assistant", "content": "e"},
        {
            "role": "assistant",
            "content": "f\ng",
            "tool_calls": [ToolCall("call_1", "f", "{}"), ToolCall("call_2", "run", "1+1", "custom")],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_2", "content": "2"},
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, None),
        ({"format": {"type": "text"}}, None),
        ({"format": {"type": "json_object"}}, JsonFormat()),
        (
            {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}},
            JsonFormat(SCHEMA, "x", True),
        ),
        (
            {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
            JsonFormat({"type": "object"}, "x"),
        ),
        ({"format": GRAMMAR}, GrammarFormat("regex", "[a-z]+")),
    ],
)
async def test_formats(client: httpx.AsyncClient, model: FakeModel, text: Any, wanted: Any) -> None:
    response = await client.post(PATH, json=body(input="Some JSON, please.", text=text))
    assert response.status_code == 200, response.text
    assert model.turns[-1].output_format == wanted
    format = response.json()["text"]["format"]
    assert format["type"] == ((text or {}).get("format") or {"type": "text"})["type"]
    if format["type"] == "json_schema":
        assert set(format) == {"type", "name", "schema", "strict", "description"}


async def test_tools(client: httpx.AsyncClient, model: FakeModel) -> None:
    tools = [
        function("a", description="does a", strict=True),
        function("b"),
        {"type": "function", "name": "c", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}},
        {"type": "function", "name": "d", "parameters": None, "strict": False},
        {"type": "custom", "name": "e", "description": "does e"},
        {"type": "custom", "name": "f", "format": GRAMMAR},
    ]
    response = await client.post(PATH, json=body(tools=tools, tool_choice="none"))
    assert response.status_code == 200, response.text
    schema = function()["parameters"]
    assert model.turns[-1].tools == (
        Tool("a", "does a", "function", schema, True),
        Tool("b", "", "function", schema, True),  # left open, and its schema is one of strict mode
        Tool("c", "", "function", tools[2]["parameters"], False),
        Tool("d", "", "function", None, False),
        Tool("e", "does e", "custom"),
        Tool("f", "", "custom", grammar=GrammarFormat("regex", "[a-z]+")),
    )
    shown = check_response(response.json(), openly=False)["tools"]
    assert [tool.get("strict") for tool in shown] == [True, True, False, False, None, None]
    assert shown[4]["format"] == {"type": "text"} and shown[5]["format"] == GRAMMAR


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (None, ToolChoice()),
        ("none", ToolChoice("none")),
        ("auto", ToolChoice("auto")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "a"}, ToolChoice("required", ("a",))),
        ({"type": "custom", "name": "c"}, ToolChoice("required", ("c",))),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "a"}, {"type": "custom", "name": "c"}],
            },
            ToolChoice("auto", ("a", "c")),
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]},
            ToolChoice("required", ("b",)),
        ),
    ],
)
async def test_tool_choices(client: httpx.AsyncClient, model: FakeModel, choice: Any, wanted: ToolChoice) -> None:
    tools = [function("a"), function("b"), {"type": "custom", "name": "c"}]
    counted = await client.post(f"{PATH}/input_tokens", json={"input": "hi", "tools": tools, "tool_choice": choice})
    assert counted.status_code == 200, counted.text
    assert model.turns[-1].tool_choice == wanted
    response = await client.post(PATH, json=body(tools=tools, tool_choice=choice, stream=True))
    assert (choice or "auto") == json.loads(response.text.split("\n")[1][6:])["response"]["tool_choice"]


@pytest.mark.parametrize("name", ["smollm", "fake-model2", ""])
async def test_an_unknown_model(client: httpx.AsyncClient, name: str) -> None:
    response = await client.post(PATH, json=body(model=name))
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("name", UNSUPPORTED)
async def test_what_is_not_served_is_refused_by_name(client: httpx.AsyncClient, name: str) -> None:
    error = (await client.post(PATH, json=body(**{name: {"id": "x"}}))).json()["error"]
    assert error["param"] == name and error["code"] == "unsupported_parameter"


# (fields, param, code)
REFUSED: list[tuple[dict[str, Any], str | None, str | None]] = [
    ({"seed": 1}, "seed", "unknown_parameter"),
    ({"messages": [USER]}, "messages", "unknown_parameter"),
    ({"max_tokens": 20}, "max_tokens", "unknown_parameter"),
    ({"n": 2}, "n", "unknown_parameter"),
    ({"model": 3}, "model", "invalid_type"),
    ({"input": 3}, "input", "invalid_type"),
    ({"input": None}, "input", ABSENT),
    ({"input": []}, "input", "empty_array"),
    ({"input": ["hi"]}, "input[0]", "invalid_type"),
    ({"input": [{}]}, "input[0].type", ABSENT),
    ({"input": [{"type": "message", "content": "x"}]}, "input[0].role", ABSENT),
    ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "invalid_value"),
    ({"input": [{"role": "user"}]}, "input[0].content", ABSENT),
    ({"input": [{**USER, "x": 1}]}, "input[0].x", "unknown_parameter"),
    ({"input": [{**USER, "name": "Ada"}]}, "input[0].name", "unknown_parameter"),
    ({"input": [{**USER, "id": "a b"}]}, "input[0].id", "invalid_value"),
    ({"input": [{**USER, "phase": "commentary"}]}, "input[0].phase", "unsupported_parameter"),
    ({"input": [{"role": "user", "content": []}]}, "input[0].content", "empty_array"),
    (
        {"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]},
        "input[0].content[0].type",
        "invalid_value",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        "input[0].content[0].image_url",
        "invalid_value",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]},
        "input[0].content[0].file_id",
        "file_not_found",
    ),
    (
        {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
        "input[0].content[0].type",
        "invalid_value",
    ),
    ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, "input", None),
    ({"input": [{"type": "computer_call_output"}]}, "input[0].type", "invalid_value"),
    ({"input": [{"type": 7}]}, "input[0].type", "invalid_value"),
    (
        {"input": [{"type": "function_call", "call_id": "c", "name": "f"}]},
        "input[0].arguments",
        "missing_required_parameter",
    ),
    ({"input": [USER, CALL]}, "input", None),
    ({"input": [USER, RESULT]}, "input", None),
    ({"input": [RESULT, CALL]}, "input", None),
    ({"input": [CALL, {**RESULT, "type": "custom_tool_call_output"}]}, "input", None),
    ({"input": [{"type": "item_reference", "id": "msg_none"}]}, "input", None),
    ({"instructions": ["x"]}, "instructions", "invalid_type"),
    ({"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value"),
    ({"max_output_tokens": 32_769}, "max_output_tokens", "invalid_value"),
    ({"max_output_tokens": 16.5}, "max_output_tokens", "invalid_type"),
    ({"max_output_tokens": 5000}, "input", "context_length_exceeded"),
    ({"input": "x" * 5000}, "input", "context_length_exceeded"),
    ({"input": "x" * 5000, "truncation": "auto"}, "input", "context_length_exceeded"),
    ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
    ({"temperature": "1"}, "temperature", "invalid_type"),
    ({"top_p": -0.1}, "top_p", "decimal_below_min_value"),
    ({"top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({"include": ["nothing"]}, "include", "invalid_value"),
    ({"include": ["reasoning.encrypted_content"]}, "include", None),
    ({"include": "message.output_text.logprobs"}, "include", "invalid_type"),
    ({"reasoning": {"effort": "low"}}, "reasoning.effort", "unsupported_parameter"),
    ({"reasoning": {"summary": "auto"}}, "reasoning.summary", "unsupported_parameter"),
    ({"reasoning": "low"}, "reasoning", "invalid_type"),
    ({"text": {"verbosity": "low"}}, "text.verbosity", "unsupported_value"),
    ({"text": {"verbosity": "loud"}}, "text.verbosity", "invalid_value"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type", "invalid_value"),
    ({"text": {"format": {"type": "json_object"}}}, "input", None),
    ({"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "text.format.name", ABSENT),
    ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema", ABSENT),
    (
        {"text": {"format": {"type": "json_schema", "name": "a b", "schema": SCHEMA}}},
        "text.format.name",
        "invalid_value",
    ),
    (
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}, "strict": True}}},
        "text.format.schema",
        "invalid_json_schema",
    ),
    (
        {"text": {"format": {"type": "json_schema", "json_schema": {"name": "x"}}}},
        MISSING,  # type: ignore[dict-item]
        None,
    ),
    ({"text": {"format": {**GRAMMAR, "syntax": "gbnf"}}}, "text.format.syntax", "invalid_value"),
    ({"tools": [{"type": "web_search"}]}, "tools", "unsupported_value"),  # by this server, which has no provider
    ({"tools": [{"type": "web_search_preview_2025_03_11"}]}, "tools", "unsupported_value"),
    ({"tools": [{"type": "file_search", "vector_store_ids": []}]}, "tools[0].type", "unsupported_value"),
    ({"tools": [{"type": "magic"}]}, "tools[0].type", "invalid_value"),
    ({"tools": [{"name": "f"}]}, "tools[0].type", ABSENT),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name", ABSENT),
    ({"tools": [function("a b")]}, "tools[0].name", "invalid_value"),
    ({"tools": [function("a" * 65)]}, "tools[0].name", "string_above_max_length"),
    ({"tools": [function(), function()]}, "tools[1].name", "invalid_value"),
    ({"tools": [function()] * 129}, "tools", "array_above_max_length"),
    ({"tools": [function(defer_loading=True)]}, "tools[0].defer_loading", "unsupported_parameter"),
    (
        {"tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}]},
        "tools[0].parameters",
        "invalid_function_parameters",
    ),
    ({"tools": [{"type": "custom", "name": "f", "format": {"type": "xml"}}]}, "tools[0].format.type", "invalid_value"),
    ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
    ({"tool_choice": "some"}, "tool_choice", "invalid_value"),
    ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice", "invalid_value"),
    ({"tool_choice": {"type": "custom", "name": "get_weather"}, "tools": [function()]}, "tool_choice", "invalid_value"),
    ({"tool_choice": {"type": "web_search"}}, "tool_choice", "invalid_value"),
    ({"tool_choice": {"type": "magic"}}, "tool_choice.type", "invalid_value"),
    ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice.tools", "empty_array"),
    ({"max_tool_calls": 0}, "max_tool_calls", "integer_below_min_value"),
    ({"metadata": {str(i): "" for i in range(17)}}, "metadata", "object_above_max_properties"),
    ({"metadata": {"a": "b" * 513}}, "metadata.a", "string_above_max_length"),
    ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
    ({"service_tier": "flex"}, "service_tier", "invalid_value"),
    ({"safety_identifier": "x" * 65}, "safety_identifier", "string_above_max_length"),
    ({"prompt_cache_retention": "24h"}, "prompt_cache_retention", "invalid_value"),
    ({"truncation": "middle"}, "truncation", "invalid_value"),
    ({"store": "yes"}, "store", "invalid_type"),
    ({"background": True, "store": False}, "background", "invalid_value"),
    ({"stream_options": {"include_obfuscation": True}}, "stream_options", None),
    ({"stream": True, "stream_options": {"include_usage": True}}, "stream_options.include_usage", "unknown_parameter"),
    ({"previous_response_id": "resp_none"}, "previous_response_id", "previous_response_not_found"),
    ({"previous_response_id": "\x00"}, "previous_response_id", "previous_response_not_found"),
    (
        {"previous_response_id": "resp_1", "conversation": "conv_1"},
        "previous_response_id",
        "mutually_exclusive_parameters",
    ),
    ({"conversation": "conv_none"}, None, None),
    ({"conversation": {"id": "conv_none"}}, None, None),
    ({"conversation": {"name": "x"}}, "conversation.id", ABSENT),
]


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED, ids=lambda value: str(value)[:60])
async def test_refusals(
    client: httpx.AsyncClient, model: FakeModel, fields: dict[str, Any], param: Any, code: str | None
) -> None:
    response = await client.post(PATH, json=body(**fields))
    assert response.status_code in (400, 404), response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error" and len(error["message"]) > 10
    if param is not MISSING:
        assert (error["param"], error["code"]) == (param, code), error["message"]
    assert not model.requests
