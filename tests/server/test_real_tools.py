"""Tools and formats with the embedded model, asked by the API's own client: whatever it says, a call is a call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import jsonschema
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from server.running import RunningServer
from spatz.prompt.tool_schema import LONGEST_TEXT

MODEL = "gpt-4.1-nano"
SEEDS = range(8)


class GetWeather(BaseModel):
    """Get the current weather of a city."""

    city: str
    unit: Literal["C", "F"]


class Person(BaseModel):
    name: str
    age: int


PARAMETERS: dict[str, dict[str, Any]] = {
    "get_weather": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 24}, "unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["city"],
    },
    "set_timer": {
        "type": "object",
        "properties": {"minutes": {"type": "integer", "minimum": 1, "maximum": 600}, "exact": {"type": "boolean"}},
        "required": ["minutes"],
    },
    "stop": {"type": "object", "properties": {}},
}
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "description": f"To {name}.", "parameters": parameters}}
    for name, parameters in PARAMETERS.items()
]
WEATHER: ChatCompletionMessageParam = {"role": "user", "content": "What is the weather in Paris?"}


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=300) as client:
        yield client


def check(call: Any) -> None:
    assert call.id.startswith("call_") and call.type == "function"
    jsonschema.validate(json.loads(call.function.arguments), PARAMETERS[call.function.name])


@pytest.mark.parametrize("seed", SEEDS)
def test_required_is_always_a_call(client: openai.OpenAI, seed: int) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=[WEATHER], tools=TOOLS, tool_choice="required", temperature=1, seed=seed, n=2
    )
    for choice in answer.choices:
        assert choice.finish_reason == "tool_calls" and choice.message.content is None
        assert choice.message.tool_calls
        for call in choice.message.tool_calls:
            check(call)


@pytest.mark.parametrize("name", PARAMETERS)
def test_named_is_always_that_call(client: openai.OpenAI, name: str) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[WEATHER],
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": name}},
        parallel_tool_calls=False,
        temperature=1,
        n=4,
    )
    for choice in answer.choices:
        assert choice.finish_reason == "stop"
        [call] = choice.message.tool_calls or []
        check(call)
        assert call.type == "function" and call.function.name == name


def test_a_text_without_end_gets_one(client: openai.OpenAI) -> None:
    """Greedy and small, the model repeats itself until it is stopped: in time to close what it has begun."""
    parameters = {"type": "object", "properties": {"letter": {"type": "string"}}, "required": ["letter"]}
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Write a long, long letter."}],
        tools=[{"type": "function", "function": {"name": "write", "parameters": parameters}}],
        tool_choice={"type": "function", "function": {"name": "write"}},
        parallel_tool_calls=False,
        temperature=0,
    )
    [call] = answer.choices[0].message.tool_calls or []
    assert answer.choices[0].finish_reason == "stop" and call.type == "function"
    assert len(json.loads(call.function.arguments)["letter"]) <= LONGEST_TEXT


def test_a_stream_says_the_same(client: openai.OpenAI) -> None:
    asked: Any = {
        "model": MODEL,
        "messages": [WEATHER],
        "tools": TOOLS,
        "tool_choice": "required",
        "temperature": 1,
        "seed": 5,
    }
    whole = client.chat.completions.create(**asked).choices[0]
    with client.chat.completions.stream(**asked) as events:
        streamed = events.get_final_completion().choices[0]
    assert streamed.finish_reason == whole.finish_reason == "tool_calls"
    assert streamed.message.content is whole.message.content is None
    assert whole.message.tool_calls and streamed.message.tool_calls
    said = [
        (call.function.name, call.function.arguments) for call in whole.message.tool_calls if call.type == "function"
    ]
    assert said == [(call.function.name, call.function.arguments) for call in streamed.message.tool_calls]


def test_auto_and_results(client: openai.OpenAI) -> None:
    """The whole round, with what the client library makes of the answers."""
    tool = openai.pydantic_function_tool(GetWeather)
    messages: list[Any] = [WEATHER]
    first = client.chat.completions.parse(model=MODEL, messages=messages, tools=[tool], temperature=0).choices[0]
    assert first.finish_reason == "tool_calls" and first.message.tool_calls
    for call in first.message.tool_calls:
        assert isinstance(call.function.parsed_arguments, GetWeather)
    messages.append(first.message)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in first.message.tool_calls]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[tool], max_tokens=20).choices[0]
    assert second.message.content and not second.message.tool_calls
    question: Any = [{"role": "user", "content": "Why is the sky blue?"}]
    third = client.chat.completions.create(model=MODEL, messages=question, tools=TOOLS, max_tokens=20).choices[0]
    assert third.message.content and not third.message.tool_calls


def test_custom_tools(client: openai.OpenAI) -> None:
    grammar: Any = {"syntax": "regex", "definition": "[0-9]{4}-[0-9]{2}"}
    tools: Any = [
        {"type": "custom", "custom": {"name": "month", "format": {"type": "grammar", "grammar": grammar}}},
        {"type": "custom", "custom": {"name": "note", "description": "Notes something."}},
    ]
    for name in ("month", "note"):
        answer = client.chat.completions.create(
            model=MODEL,
            messages=[WEATHER],
            tools=tools,
            tool_choice={"type": "custom", "custom": {"name": name}},
            parallel_tool_calls=False,
            temperature=1,
            seed=1,
        )
        [call] = answer.choices[0].message.tool_calls or []
        assert call.type == "custom" and call.custom.name == name
        if name == "month":
            assert len(call.custom.input) == 7 and call.custom.input[4] == "-"


def test_parsed_formats(client: openai.OpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": "Ada is 36 years old."}], "temperature": 0}
    whole = client.chat.completions.parse(**asked, response_format=Person).choices[0].message
    assert isinstance(whole.parsed, Person)
    with client.chat.completions.stream(**asked, response_format=Person) as events:
        assert events.get_final_completion().choices[0].message.parsed == whole.parsed


def test_json_and_grammars(client: openai.OpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": "A person as JSON: name and age."}]}
    format: Any = {"type": "json_object"}
    cut = client.chat.completions.create(**asked, response_format=format, max_tokens=3, n=3)
    for choice in cut.choices:
        assert choice.finish_reason == "length" and (choice.message.content or "").startswith("{")
    lark = {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "yes" | "no"'}}
    answers = client.chat.completions.create(**asked, n=4, extra_body={"response_format": lark})
    assert all(choice.message.content in ("yes", "no") for choice in answers.choices)


BAD = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=a)b"}}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"tools": [*TOOLS, {"type": "function", "function": {"name": "x", "parameters": BAD}}]},
        "tools[3].function.parameters",
    ),
    (
        {"response_format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: missing"}}},
        "response_format",
    ),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": BAD}}}, "response_format"),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED)
def test_what_cannot_be_compiled_is_refused(client: openai.OpenAI, fields: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[WEATHER], extra_body=fields)
    assert caught.value.param == param
