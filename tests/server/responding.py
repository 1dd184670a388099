"""For the tests of the Responses API: bodies, streams taken apart, and answers validated by two sets of types.

The SDK's types are checked strictly and may have no key that they do not know; openresponses-types has rules of its
own, which are those of an open specification.
"""

from __future__ import annotations

import json
from typing import Any

import openresponses_types as open_types
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

PATH = "/v1/responses"
# What the open specification requires and the SDK does not name.
OPEN_KEYS = {"presence_penalty", "frequency_penalty", "store"}
OUR_KEYS = {
    "spatz",  # in the usage: how the prompt was read
    "results",  # of a search: it can be included, but has no type
}
MORE_KEYS = {"obfuscation", "bytes", "name", "status"}  # what is in some versions of the SDK
KEYS = {  # always there, by the reference
    "id",
    "object",
    "created_at",
    "status",
    "error",
    "incomplete_details",
    "instructions",
    "model",
    "tools",
    "output",
    "parallel_tool_calls",
    "metadata",
    "tool_choice",
    "temperature",
    "top_p",
    "text",
    "truncation",
    "usage",
    "previous_response_id",
    "store",
}
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
OPEN_EVENTS = {
    kind.model_fields["type"].annotation: kind
    for kind in vars(open_types).values()
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.__name__.endswith("StreamingEvent")
}
OPEN_EVENTS_BY_NAME = {next(iter(names)).value: kind for names, kind in OPEN_EVENTS.items()}  # type: ignore[call-overload]


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4.1-nano", "input": "hi", **fields}


def function(name: str = "get_weather", **fields: Any) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    return {"type": "function", "name": name, "parameters": parameters, **fields}


def call(name: str = "get_weather", arguments: str = '{"city": "Paris"}') -> str:
    """As a model that was never shown tools writes it."""
    return f'{{"name": "{name}", "arguments": {arguments}}}'


def check_response(found: dict[str, Any], *, openly: bool = True) -> dict[str, Any]:
    """openly: also by the open specification, which knows neither custom tools nor searches nor schemas of formats."""
    assert set(found) >= KEYS
    response = Response.model_validate_json(json.dumps(found), strict=True)
    _check_known(response, OPEN_KEYS | OUR_KEYS)
    searched = any(item["type"] == "web_search_call" for item in found["output"])
    for item in found["output"]:
        for part in item.get("content", ()):
            assert part["annotations"] == [] or searched
            assert isinstance(part["annotations"], list) and isinstance(part["logprobs"], list)
    if openly:
        open_types.ResponseResource.model_validate_json(json.dumps(found))
    return found


def parse_stream(text: str, *, openly: bool = True, first: int = 0) -> list[dict[str, Any]]:
    """The events, each validated; their numbers go up by one from `first`. There is no [DONE]."""
    events = []
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    for number, block in enumerate(blocks):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == first + number
        check_event(event, openly=openly)
        events.append(event)
    return events


def check_event(event: dict[str, Any], *, openly: bool = True) -> None:
    text = json.dumps(event)
    parsed = EVENTS.validate_json(text, strict=True)
    assert parsed.type == event["type"]
    if event["type"] != "error":  # which has the nested form for others
        _check_known(parsed, OPEN_KEYS | OUR_KEYS | MORE_KEYS)
    if openly and event["type"] in OPEN_EVENTS_BY_NAME:
        OPEN_EVENTS_BY_NAME[event["type"]].model_validate_json(text)


def _check_known(value: Any, allowed: set[str]) -> None:
    """No key that the SDK's types do not have, at any depth."""
    if isinstance(value, list):
        for item in value:
            _check_known(item, allowed)
    elif isinstance(value, BaseModel):
        extra = set(value.model_extra or ())
        assert extra <= allowed, f"{type(value).__name__} does not know {extra - allowed}"
        for name in type(value).model_fields:
            _check_known(getattr(value, name), allowed)


def names(events: list[dict[str, Any]]) -> list[str]:
    """The events' names, deltas of one kind in a row as one."""
    result: list[str] = []
    for event in events:
        name = event["type"].removeprefix("response.")
        if not (name.endswith(".delta") and result[-1:] == [name]):
            result.append(name)
    return result
