"""What arguments are held to: always something that the schema allows, and never more than it says."""

from __future__ import annotations

from typing import Any

import pytest

from spatz.prompt.tool_schema import LONGEST_TEXT, MOST_ITEMS, NOTHING, arguments_schema
from spatz.prompt.turn import Tool

TEXT = {"type": "string"}


def narrowed(parameters: Any, *, strict: bool = False, bounded: bool = False) -> dict[str, Any]:
    return dict(arguments_schema(Tool("f", parameters=parameters, strict=strict), bounded=bounded))


def test_no_parameters_are_no_arguments() -> None:
    assert arguments_schema(Tool("f")) == NOTHING
    assert narrowed({}) == {"type": "object"}


def test_strict_schemas_are_taken_as_they_are() -> None:
    schema = {"type": "object", "properties": {"a": TEXT}}
    assert narrowed(schema, strict=True) == schema


def test_objects_with_names_are_closed() -> None:
    inner = {"type": "object", "properties": {"b": TEXT}}
    found = narrowed(
        {"properties": {"a": inner, "c": {"type": "array", "items": inner}, "d": {"anyOf": [inner, TEXT]}}}
    )
    closed = {**inner, "additionalProperties": False}
    assert found["additionalProperties"] is False
    assert (
        found["properties"]["a"] == found["properties"]["c"]["items"] == found["properties"]["d"]["anyOf"][0] == closed
    )


@pytest.mark.parametrize(
    "open_schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": TEXT},
        {"type": "object", "properties": {"a": TEXT}, "required": ["b"]},
        {"type": "object", "properties": {"a": TEXT}, "patternProperties": {"^x": TEXT}},
        {"type": "object", "properties": {"a": TEXT}, "minProperties": 2},
        {"type": "object", "properties": {"a": TEXT}, "anyOf": [{"type": "object", "properties": {"b": TEXT}}]},
        {"type": "object", "allOf": [{"type": "object", "properties": {"a": TEXT}}, {"required": ["b"]}]},
    ],
)
def test_objects_that_may_have_more_stay_open(open_schema: dict[str, Any]) -> None:
    assert narrowed(open_schema) == open_schema


def test_definitions_that_are_joined_stay_open() -> None:
    part = {"type": "object", "properties": {"a": TEXT}}
    schema = {"type": "object", "$defs": {"p": part}, "allOf": [{"$ref": "#/$defs/p"}, {"required": ["b"]}]}
    assert narrowed(schema)["$defs"]["p"] == part
    alone = {"type": "object", "$defs": {"p": part}, "properties": {"x": {"$ref": "#/$defs/p"}}}
    assert narrowed(alone)["$defs"]["p"]["additionalProperties"] is False


def test_bounds_for_a_model_that_does_not_find_the_end() -> None:
    properties = {
        "text": TEXT,
        "long": {"type": "string", "minLength": 5_000},
        "short": {"type": "string", "maxLength": 3},
        "date": {"type": "string", "format": "date"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "list": {"type": "array", "items": TEXT},
        "maybe": {"type": ["integer", "null"]},
        "share": {"type": "number", "minimum": 0},
        "size": {"type": "number"},
    }
    found = narrowed({"type": "object", "properties": properties}, bounded=True)["properties"]
    assert found["text"]["maxLength"] == LONGEST_TEXT
    assert found["long"]["maxLength"] == 5_000
    assert found["list"] == {"type": "array", "items": found["text"], "maxItems": MOST_ITEMS}
    assert found["maybe"]["maximum"] > 0 > found["maybe"]["minimum"]
    assert found["size"]["multipleOf"] > 0
    for name in ("short", "date", "kind", "share"):
        assert found[name] == properties[name]
    assert narrowed({"type": "object", "properties": properties})["properties"] == properties


def test_a_deep_schema_is_no_trouble() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(190):
        schema = {"type": "object", "properties": {"a": schema}}
    assert narrowed(schema, bounded=True)["properties"]


def test_an_empty_list_of_properties_is_closed_too() -> None:
    tool = Tool("stop", parameters={"type": "object", "properties": {}})
    assert arguments_schema(tool) == {"type": "object", "properties": {}, "additionalProperties": False}
    left_open = {"type": "object", "properties": {}, "additionalProperties": True}
    assert arguments_schema(Tool("stop", parameters=left_open)) == left_open
