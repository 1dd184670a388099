"""Tools in chat completions over a scripted model: what is asked of it, and what is made of its words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from server.fake import FakeConstraint, FakeModel
from spatz.prompt.dialect import HERMES, LLAMA, PLAIN, Dialect
from spatz.prompt.tool_grammar import CallsGrammar
from spatz.prompt.turn import GrammarFormat, JsonFormat, Tool, ToolChoice

Chat = Callable[..., dict[str, Any]]
PATH = "/v1/chat/completions"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": PARAMETERS}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
RUN = {"type": "custom", "custom": {"name": "run", "description": "Runs code."}}
LARK = {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "a"+'}}
PARIS = '{"city": "Paris"}'
DIALECTS = pytest.mark.parametrize("dialect", [PLAIN, HERMES, LLAMA], ids=lambda dialect: dialect.name)


def chunks(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def gathered(found: list[dict[str, Any]], choice: int = 0) -> tuple[dict[str, Any], str]:
    """The message that the chunks of a choice make, as the API's clients join them."""
    message: dict[str, Any] = {}
    calls: list[dict[str, Any]] = []
    reason = ""
    for chunk in found:
        for part in chunk["choices"]:
            if part["index"] != choice:
                continue
            reason = part["finish_reason"] or reason
            delta = part["delta"]
            for key in ("role", "content", "refusal"):
                if key in delta:
                    message[key] = (message.get(key) or "") + delta[key] if delta[key] else message.get(key, delta[key])
            for call in delta.get("tool_calls", ()):
                if "id" in call:
                    assert call.pop("index") == len(calls)
                    calls.append(call)
                else:
                    kind = calls[call["index"]]["type"]
                    for key, value in call[kind].items():
                        calls[call["index"]][kind][key] += value
    if calls:
        message["tool_calls"] = calls
    return message, reason


@DIALECTS
async def test_a_required_call(client: httpx.AsyncClient, model: FakeModel, chat: Chat, dialect: Dialect) -> None:
    model.dialect = dialect
    written = dialect.call("weather", PARIS)
    model.answers += [[written], list(written)]
    body = chat(tools=[WEATHER, CLOCK], tool_choice="required")
    answer = (await client.post(PATH, json=body)).json()
    message = answer["choices"][0]["message"]
    assert message["content"] is None and answer["choices"][0]["finish_reason"] == "tool_calls"
    call = message["tool_calls"][0]
    assert call["id"].startswith("call_") and call["type"] == "function"
    assert call["function"] == {"name": "weather", "arguments": PARIS}
    streamed = chunks((await client.post(PATH, json={**body, "stream": True})).text)
    first = [chunk["choices"][0]["delta"] for chunk in streamed[:3]]
    assert first[0] == {"role": "assistant", "content": None, "refusal": None}
    assert first[1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": ""}
    assert first[1]["tool_calls"][0]["index"] == 0 and first[1]["tool_calls"][0]["type"] == "function"
    assert first[2] == {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}
    joined, reason = gathered(streamed)
    assert reason == "tool_calls" and joined["content"] is None
    assert joined["tool_calls"][0]["function"] == call["function"]
    wanted = model.requests[0].constraint
    assert isinstance(wanted, FakeConstraint) and isinstance(wanted.wanted, CallsGrammar)
    assert [tool.name for tool in wanted.wanted.tools] == ["weather", "clock"]


@pytest.mark.parametrize("dialect", [PLAIN, HERMES], ids=lambda dialect: dialect.name)
async def test_parallel_calls(client: httpx.AsyncClient, model: FakeModel, chat: Chat, dialect: Dialect) -> None:
    model.dialect = dialect
    written = dialect.between.join([dialect.call("weather", PARIS), dialect.call("run", 'say "<a>"\n', custom=True)])
    model.answers += [[written], list(written)]
    body = chat(tools=[WEATHER, RUN], tool_choice="required", n=2)
    answer = (await client.post(PATH, json=body)).json()
    streamed = chunks((await client.post(PATH, json={**body, "stream": True})).text)
    for choice in answer["choices"]:
        calls = choice["message"]["tool_calls"]
        assert [call["type"] for call in calls] == ["function", "custom"]
        assert calls[1]["custom"] == {"name": "run", "input": 'say "<a>"\n'}
        joined, reason = gathered(streamed, choice["index"])
        assert reason == choice["finish_reason"] == "tool_calls"
        without = [{key: value for key, value in call.items() if key != "id"} for call in joined["tool_calls"]]
        assert without == [{key: value for key, value in call.items() if key != "id"} for call in calls]
    ids = [call["id"] for choice in answer["choices"] for call in choice["message"]["tool_calls"]]
    assert len(set(ids)) == 4
    grammar = model.requests[0].constraint.wanted.lark  # type: ignore[union-attr]
    assert f"call){{0,{dialect.most_calls - 1}}}" in grammar
    await client.post(PATH, json={**body, "parallel_tool_calls": False})
    assert "call){" not in model.requests[-1].constraint.wanted.lark  # type: ignore[union-attr]


async def test_calls_that_repeat_one_another_are_one(client: httpx.AsyncClient, model: FakeModel, chat: Chat) -> None:
    """Of a model that was not trained on tools, which does not know that it has said it already."""
    rome = PLAIN.call("weather", '{"city": "Rome"}')
    written = "\n".join([PLAIN.call("weather", PARIS), PLAIN.call("weather", PARIS), rome])
    model.answers += [[written], list(written)]
    body = chat(tools=[WEATHER], tool_choice="required")
    message = (await client.post(PATH, json=body)).json()["choices"][0]["message"]
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == [PARIS, '{"city": "Rome"}']
    joined, _ = gathered(chunks((await client.post(PATH, json={**body, "stream": True})).text))
    assert [call["function"]["arguments"] for call in joined["tool_calls"]] == [PARIS, '{"city": "Rome"}']


async def test_a_named_call_ends_with_stop(client: httpx.AsyncClient, model: FakeModel, chat: Chat) -> None:
    model.answers.append([PLAIN.call("weather", PARIS)])
    named = {"type": "function", "function": {"name": "weather"}}
    answer = (await client.post(PATH, json=chat(tools=[WEATHER, CLOCK], tool_choice=named, stop="Paris"))).json()
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == PARIS
    assert model.turns[-1].tool_choice == ToolChoice("required", ("weather",))
    assert [tool.name for tool in model.requests[0].constraint.wanted.tools] == ["weather"]  # type: ignore[union-attr]
    assert model.requests[0].params.stop == ()  # it would leave half a call


async def test_allowed_tools(client: httpx.AsyncClient, model: FakeModel, chat: Chat) -> None:
    model.answers.append([PLAIN.call("clock", "{}")])
    tools = [{"type": "function", "function": {"name": "clock"}}, {"type": "custom", "custom": {"name": "run"}}]
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": tools}}
    answer = (await client.post(PATH, json=chat(tools=[WEATHER, CLOCK, RUN], tool_choice=allowed))).json()
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert model.turns[-1].tool_choice == ToolChoice("required", ("clock", "run"))
    assert b"weather" not in bytes(model.requests[0].prompt)


async def test_none_is_text(client: httpx.AsyncClient, model: FakeModel, chat: Chat) -> None:
    model.likely = lambda prompt, text: -9.0 if "N/A" in prompt else -0.1
    answer = (await client.post(PATH, json=chat(tools=[WEATHER], tool_choice="none"))).json()
    assert answer["choices"][0]["message"]["content"] == "Hello wörld"
    assert model.requests[0].constraint is None and b"weather" not in bytes(model.requests[0].prompt)


async def test_auto_asks_the_model(client: httpx.AsyncClient, model: FakeModel, chat: Chat) -> None:
    answer = (await client.post(PATH, json=chat(tools=[WEATHER, CLOCK]))).json()
    assert answer["choices"][0]["message"]["content"] == "Hello wörld"
    assert "tool_calls" not in answer["choices"][0]["message"]
    assert model.requests[0].constraint is None
    model.likely = lambda prompt, text: -9.0 if "N/A" in prompt else -0.1
    model.answers += [[PLAIN.call("weather", PARIS)]] * 2
    answer = (await client.post(PATH, json=chat(tools=[WEATHER]))).json()
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "weather"
    assert answer["usage"]["prompt_tokens"] == len(model.requests[-1].prompt)
    streamed = await client.post(PATH, json=chat(tools=[WEATHER], stream=True))
    assert gathered(chunks(streamed.text))[1] == "tool_calls"


@pytest.mark.parametrize("dialect", [HERMES, LLAMA], ids=lambda dialect: dialect.name)
async def test_a_trained_model_decides_itself(
    client: httpx.AsyncClient, model: FakeModel, chat: Chat, dialect: Dialect
) -> None:
    model.dialect = dialect
    said = "Let me see.\n" if dialect.anywhere else ""
    written = said + dialect.call("weather", PARIS)
    model.answers += [["It is ", "sunny {"], list(written)]
    text = (await client.post(PATH, json=chat(tools=[WEATHER], logprobs=True))).json()["choices"][0]
    assert (text["message"]["content"], text["finish_reason"]) == ("It is sunny {", "stop")
    assert len(text["logprobs"]["content"]) == len("It is sunny {")
    call = (await client.post(PATH, json=chat(tools=[WEATHER], logprobs=True))).json()["choices"][0]
    assert call["message"]["content"] == (said.strip() or None)
    assert call["message"]["tool_calls"][0]["function"]["arguments"] == PARIS
    assert call["finish_reason"] == "tool_calls" and call["logprobs"] == {"content": None, "refusal": None}


async def test_a_call_that_is_cut_off(client: httpx.AsyncClient, model: FakeModel, chat: Chat) -> None:
    written = PLAIN.call("weather", PARIS)
    for limit, arguments in ((len(written) - 3, '{"city": "Paris'), (5, None)):
        model.answers.append(list(written))
        body = chat(tools=[WEATHER], tool_choice="required", max_tokens=limit)
        choice = (await client.post(PATH, json=body)).json()["choices"][0]
        assert choice["finish_reason"] == "length"
        if arguments is not None:
            assert choice["message"]["tool_calls"][0]["function"]["arguments"] == arguments
        else:
            assert not choice["message"]["content"] and "tool_calls" not in choice["message"]


async def test_the_conversation_with_results(client: httpx.AsyncClient, model: FakeModel, chat: Chat) -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "weather", "arguments": PARIS}},
        {"id": "b", "type": "custom", "custom": {"name": "run", "input": "go"}},
    ]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "done"}]},
        {"role": "tool", "tool_call_id": "a", "name": "weather", "content": "sunny"},
        {"role": "user", "content": "and now?"},
    ]
    answer = await client.post(PATH, json=chat(messages=messages, tools=[WEATHER, RUN], tool_choice="none"))
    assert answer.status_code == 200, answer.text
    assert bytes(model.requests[0].prompt).decode() == (
        f"user:hi\nResult of run(go): done\nResult of weather({PARIS}): sunny\nand now?\n"
    )


async def test_tools_reach_the_turn(client: httpx.AsyncClient, model: FakeModel, chat: Chat) -> None:
    custom = {"type": "custom", "custom": {"name": "go", "format": LARK}}
    schema = {**PARAMETERS, "additionalProperties": False}
    strict = {"type": "function", "function": {"name": "s", "parameters": schema, "strict": True}}
    response = await client.post(PATH, json=chat(tools=[WEATHER, CLOCK, custom, strict], tool_choice="none"))
    assert response.status_code == 200, response.text
    assert model.turns[-1].tools == (
        Tool("weather", "Tells it.", "function", PARAMETERS),
        Tool("clock"),
        Tool("go", "", "custom", grammar=GrammarFormat("lark", 'start: "a"+')),
        Tool("s", "", "function", schema, strict=True),
    )


FORMATS: list[tuple[dict[str, Any], Any]] = [
    ({"type": "json_object"}, JsonFormat()),
    (
        {"type": "json_schema", "json_schema": {"name": "n", "schema": PARAMETERS, "description": "d"}},
        JsonFormat(PARAMETERS, "n"),
    ),
    (
        {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {**PARAMETERS, "additionalProperties": False}, "strict": True},
        },
        JsonFormat({**PARAMETERS, "additionalProperties": False}, "n", True),
    ),
    ({"type": "grammar", "grammar": {"syntax": "regex", "definition": "[0-9]+"}}, GrammarFormat("regex", "[0-9]+")),
    ({"type": "text"}, None),
]


@pytest.mark.parametrize(("given", "wanted"), FORMATS)
async def test_formats(client: httpx.AsyncClient, model: FakeModel, chat: Chat, given: Any, wanted: Any) -> None:
    messages = [{"role": "user", "content": "Give me JSON."}]
    response = await client.post(PATH, json=chat(messages=messages, response_format=given))
    assert response.status_code == 200, response.text
    constraint = model.requests[0].constraint
    assert (constraint.wanted if isinstance(constraint, FakeConstraint) else None) == wanted
    assert model.turns[-1].output_format == wanted


CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
ASKED = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [CALL]}]
RESULT = {"role": "tool", "tool_call_id": "a", "content": "y"}
SCHEMA = {"name": "n", "schema": PARAMETERS}


def function(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **fields}}


def custom(**fields: Any) -> dict[str, Any]:
    return {"type": "custom", "custom": {"name": "c", **fields}}


WRONG: list[tuple[dict[str, Any], str | None, str | None]] = [
    ({"tools": []}, "tools", "empty_array"),
    ({"tools": [{**WEATHER, "function": {"name": f"f{i}"}} for i in range(129)]}, "tools", "array_above_max_length"),
    ({"tools": [function(name="")]}, "tools[0].function.name", "empty_string"),
    ({"tools": [function(name="a" * 65)]}, "tools[0].function.name", "string_above_max_length"),
    ({"tools": [function(name="a b")]}, "tools[0].function.name", "invalid_value"),
    ({"tools": [function(name="ü")]}, "tools[0].function.name", "invalid_value"),
    ({"tools": [function(name="a\n")]}, "tools[0].function.name", "invalid_value"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "missing_required_parameter"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
    ({"tools": [{"function": {"name": "f"}}]}, "tools[0].type", "missing_required_parameter"),
    ({"tools": [{"type": "magic"}]}, "tools[0].type", "invalid_value"),
    ({"tools": [function(description="d" * 1025)]}, "tools[0].function.description", "string_above_max_length"),
    ({"tools": [function(parameters=[])]}, "tools[0].function.parameters", "invalid_type"),
    (
        {"tools": [function(parameters={"type": "array"})]},
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    (
        {"tools": [function(strict=True, parameters=PARAMETERS)]},
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    ({"tools": [function(colour="red")]}, "tools[0].function.colour", "unknown_parameter"),
    ({"tools": [custom(format={"type": "grammar"})]}, "tools[0].custom.format.grammar", "missing_required_parameter"),
    (
        {"tools": [custom(format={"type": "grammar", "grammar": {"syntax": "ebnf", "definition": "x"}})]},
        "tools[0].custom.format.grammar.syntax",
        "invalid_value",
    ),
    ({"tools": [WEATHER, WEATHER]}, "tools[1].function.name", "invalid_value"),
    ({"tools": [function(), custom(name="f")]}, "tools[1].custom.name", "invalid_value"),
    ({"tool_choice": "auto"}, "tool_choice", "invalid_value"),
    ({"parallel_tool_calls": False}, "parallel_tool_calls", "invalid_value"),
    ({"tools": [WEATHER], "tool_choice": "always"}, "tool_choice", "invalid_value"),
    (
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}},
        "tool_choice",
        "invalid_value",
    ),
    (
        {"tools": [WEATHER], "tool_choice": {"type": "custom", "custom": {"name": "weather"}}},
        "tool_choice",
        "invalid_value",
    ),
    ({"tools": [WEATHER], "tool_choice": {"type": "web_search"}}, "tool_choice.type", "invalid_value"),
    ({"tools": [WEATHER], "tool_choice": {"type": "function"}}, "tool_choice.function", "missing_required_parameter"),
    (
        {
            "tools": [WEATHER],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "x"}}]},
            },
        },
        "tool_choice",
        "invalid_value",
    ),
    (
        {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
        "tool_choice.allowed_tools.tools",
        "empty_array",
    ),
    ({"messages": [RESULT]}, "messages.[0].role", None),
    ({"messages": [*ASKED, {**RESULT, "tool_call_id": "b"}]}, "messages.[2].tool_call_id", None),
    ({"messages": [*ASKED, RESULT, RESULT]}, "messages.[3].tool_call_id", None),
    ({"messages": ASKED}, "messages", None),
    ({"messages": [*ASKED, {"role": "user", "content": "z"}]}, "messages.[2].role", None),
    (
        {"messages": [*ASKED, {"role": "tool", "content": "y"}]},
        "messages[2].tool_call_id",
        "missing_required_parameter",
    ),
    ({"messages": [{"role": "assistant", "tool_calls": []}]}, "messages[0].tool_calls", "empty_array"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]}]},
        "messages[0].tool_calls[0].function.arguments",
        "invalid_type",
    ),
    ({"response_format": {"type": "json_object"}}, "messages", None),
    ({"response_format": {"type": "yaml"}}, "response_format.type", "invalid_value"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
        "response_format.json_schema.schema",
        "missing_required_parameter",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {**SCHEMA, "name": "a b"}}},
        "response_format.json_schema.name",
        "invalid_value",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {**SCHEMA, "strict": True}}},
        "response_format",
        None,
    ),
    (
        {"response_format": {"type": "grammar", "grammar": {"syntax": "lark"}}},
        "response_format.grammar.definition",
        "missing_required_parameter",
    ),
    ({"metadata": {"a": "b"}}, "metadata", "invalid_value"),
]


@pytest.mark.parametrize(("fields", "param", "code"), WRONG)
async def test_bad_input(
    client: httpx.AsyncClient, model: FakeModel, chat: Chat, fields: dict[str, Any], param: str, code: str | None
) -> None:
    response = await client.post(PATH, json=chat(**fields))
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, param, code), error
    assert error["type"] == "invalid_request_error" and error["message"]
    assert not model.requests
