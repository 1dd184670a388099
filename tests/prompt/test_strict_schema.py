from __future__ import annotations

import datetime
import enum
import uuid
from typing import Any, Literal

import pydantic
import pytest
from openai.lib._pydantic import to_strict_json_schema

from spatz.errors import RequestError
from spatz.prompt import strict_schema
from spatz.prompt.json_schema import prepare
from spatz.prompt.strict_schema import check_strict


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def nested(levels: int) -> dict[str, Any]:
    schema = closed()
    for _ in range(levels - 1):
        schema = closed(a=schema)
    return schema


def refusal(schema: object, **where: Any) -> str:
    with pytest.raises(RequestError) as caught:
        check_strict(schema, "X", **where)
    error = caught.value
    assert error.status == 400
    assert error.type == "invalid_request_error"
    assert len(error.message) < 1000
    prefix, message = error.message.split("'X': ", 1)
    assert prefix == "Invalid schema for " + ("function " if "tools" in str(error.param) else "response_format ")
    return message


STRING = {"type": "string"}
REQUIRED = "'required' is required to be supplied and to be an array including every key in properties."
CLOSED = "'additionalProperties' is required to be supplied and to be false."


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(pydantic.BaseModel):
    kind: Literal["leaf"]
    size: int = pydantic.Field(ge=0, lt=10, multiple_of=2)


class Node(pydantic.BaseModel):
    kind: Literal["node"] = "node"
    children: list[Node | Leaf] = pydantic.Field(min_length=1, max_length=3)


class Everything(pydantic.BaseModel):
    """All that a model of someone's may hold and strict mode takes."""

    name: str = pydantic.Field(description="What it is called", examples=["a"], pattern="^[a-z]+$")
    nick: str | None = None
    colour: Colour = pydantic.Field(description="beside a reference")
    choice: Literal["a", 1, None]
    when: datetime.datetime
    day: datetime.date
    span: datetime.timedelta
    key: uuid.UUID
    price: float = pydantic.Field(gt=0, deprecated=True)
    tree: Node
    parts: list[Leaf] | Leaf
    either: Node | Leaf = pydantic.Field(discriminator="kind")


@pytest.mark.parametrize("model", [Leaf, Node, Everything])
def test_what_the_sdk_makes_of_models_passes(model: type[pydantic.BaseModel]) -> None:
    schema = to_strict_json_schema(model)
    check_strict(schema, "X")
    assert prepare(schema)["type"] == "object"


@pytest.mark.parametrize(
    "schema",
    [
        closed(),
        {"type": "object", "additionalProperties": False},
        closed(a={"type": ["string", "null"]}, b={"anyOf": [STRING, {"type": "null"}]}),
        closed(a={"type": "array", "items": {"$ref": "#"}, "minItems": 1, "maxItems": 2}),
        {**closed(a={"$ref": "#/$defs/a~1b"}), "$defs": {"a/b": {"const": "x"}}},
        {**closed(a={"$ref": "#/definitions/n", "description": "d"}), "definitions": {"n": {"enum": [1, "a", None]}}},
        closed(a={"type": "number", "minimum": 0, "exclusiveMaximum": 1.5, "multipleOf": 0.5}),
        closed(a={"type": "string", "pattern": "^a", "format": "date-time", "minLength": 1, "maxLength": 3}),
        nested(10),
        closed(a={"type": "string", "enum": ["x" * 60] * 250}),
        closed(a={"enum": [str(number) for number in range(1000)]}),
        closed(**{f"p{number}": STRING for number in range(5000)}),
    ],
)
def test_passes(schema: dict[str, Any]) -> None:
    check_strict(schema, "X")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object"}, f"In context=(), {CLOSED}"),
        ({**closed(), "additionalProperties": True}, f"In context=(), {CLOSED}"),
        (closed(a={"type": "object", "properties": {}}), f"In context=('properties', 'a'), {CLOSED}"),
        (
            closed(a={"type": "array", "items": {"anyOf": [{"type": "null"}, {"type": "object"}]}}),
            f"In context=('properties', 'a', 'items', 'anyOf', '1'), {CLOSED}",
        ),
        ({**closed(), "$defs": {"D": {"type": "object"}}}, f"In context=('$defs', 'D'), {CLOSED}"),
        ({**closed(a=STRING, b=STRING), "required": ["a"]}, f"In context=(), {REQUIRED} Missing 'b'."),
        ({**closed(a=STRING), "required": ["a", "b"]}, f"In context=(), {REQUIRED} Extra required key 'b' supplied."),
        ({**closed(a=STRING), "required": "a"}, f"In context=(), {REQUIRED}"),
        ({"type": "array"}, "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'."),
        ({}, "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'."),
        ([], "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"an array\"'."),
        (True, "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"True\"'."),
        ({**closed(), "anyOf": [closed()]}, "schema must have type 'object' and not have 'anyOf' at the top level."),
        (closed(a={}), "In context=('properties', 'a'), schema must have a 'type' key."),
        (closed(a=True), "In context=('properties', 'a'), True is not of type 'object'."),
        (closed(a={"type": "array"}), "In context=('properties', 'a'), array schema missing items."),
        (closed(a={"type": "text"}), "In context=('properties', 'a', 'type'), 'text' is not valid under any of"),
        (closed(a={"type": []}), "In context=('properties', 'a', 'type'), an array is not valid under any of"),
        (closed(a={**STRING, "format": "uri"}), "In context=('properties', 'a'), 'uri' is not a valid format."),
        (closed(a={**STRING, "pattern": 3}), "In context=('properties', 'a', 'pattern'), 3 is not of type 'string'."),
        (closed(a={"type": "integer", "minimum": "3"}), "('properties', 'a', 'minimum'), '3' is not of type 'number'."),
        (closed(a={"type": "integer", "multipleOf": 0}), "0 is less than or equal to the minimum of 0."),
        (closed(a={**STRING, "maxLength": -1}), "('properties', 'a', 'maxLength'), -1 is not a non-negative integer."),
        (closed(a={**STRING, "enum": []}), "('properties', 'a', 'enum'), an array is not a non-empty array."),
        (closed(a={**STRING, "enum": ["a", 1]}), "('properties', 'a'), enum value 1 is not of the schema's 'type'."),
        (closed(a={**STRING, "const": None}), "('properties', 'a'), const value None is not of the schema's 'type'."),
        (closed(a={"anyOf": []}), "In context=('properties', 'a', 'anyOf'), an array is not a non-empty array."),
        (closed(a={"$ref": "#/$defs/D"}), "reference to component '#/$defs/D' which was not found in the schema."),
        (closed(a={"$ref": "https://x/y"}), "reference can only point to definitions defined at the top level"),
        (
            closed(a={"$ref": "#", "minimum": 3}),
            "In context=('properties', 'a'), $ref cannot have keywords {'minimum'}.",
        ),
        (nested(11), "11 levels of nesting exceeds limit of 10."),
        (closed(a={"enum": list(range(1001))}), "Expected at most 1000 enum values in total within a schema"),
        (closed(**{f"p{n}": STRING for n in range(5001)}), "Expected at most 5000 object properties total in schema"),
        (closed(**{"p" * 120_001: STRING}), "Expected at most 120000 characters of property names"),
        (closed(a={**STRING, "enum": ["x" * 60] * 251}), "Expected at most 15000 characters in an enum with more than"),
    ],
)
def test_is_refused_in_the_api_s_words(schema: object, message: str) -> None:
    assert message in refusal(schema)


@pytest.mark.parametrize(
    "keyword",
    [
        "allOf",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "uniqueItems",
        "x-mine",
        "nullable",
    ],
)
def test_keywords_that_are_not_permitted(keyword: str) -> None:
    assert (
        refusal(closed(a={**STRING, keyword: []})) == f"In context=('properties', 'a'), '{keyword}' is not permitted."
    )


def test_where_the_error_is_and_its_code() -> None:
    with pytest.raises(RequestError) as caught:
        check_strict({}, "X", "text.format.schema", "invalid_json_schema")
    assert (caught.value.param, caught.value.code) == ("text.format.schema", "invalid_json_schema")
    with pytest.raises(RequestError) as caught:
        check_strict({}, "X")
    assert (caught.value.param, caught.value.code) == ("response_format", None)
    assert refusal({}, param="tools[0].function.parameters").startswith("schema must be")


def test_limits_count_over_the_whole_schema() -> None:
    assert "1000 enum values" in refusal(closed(a={"enum": list(range(600))}, b={"enum": list(range(600))}))
    half = {f"p{number}": STRING for number in range(2501)}
    assert "5000 object properties" in refusal(closed(a=closed(**half), b=closed(**half)))
    assert "120000 characters" in refusal(closed(a={"const": "x" * 70_000}, b={"const": ["y" * 60_000]}))


def test_schemas_of_any_depth_are_answered() -> None:
    """No recursion, and nothing that grows with the square of the depth."""
    assert "levels of nesting" in refusal(nested(10_000))
    union: dict[str, Any] = STRING
    for _ in range(10_000):
        union = {"anyOf": [union]}
    assert "schemas within one another" in refusal(closed(a=union))
    value: list[Any] = []
    for _ in range(10_000):
        value = [value]
    check_strict(closed(a={"const": value}), "X")


def test_references_are_not_followed() -> None:
    """A chain whose length doubles with every link is as much work as its text is long."""
    definitions = {
        f"d{number}": closed(a={"$ref": f"#/$defs/d{number + 1}"}, b={"$ref": f"#/$defs/d{number + 1}"})
        for number in range(1000)
    }
    check_strict({**closed(a={"$ref": "#/$defs/d0"}), "$defs": {**definitions, "d1000": STRING}}, "X")


def test_what_is_repeated_is_short() -> None:
    long = "k" * 100_000
    for schema in (
        closed(**{long: {}}),
        {**closed(**{long: STRING}), "required": []},
        closed(a={long: 1}),
        closed(a={**STRING, "format": long}),
        closed(a={"type": "integer", "minimum": long}),
        closed(a={"type": "string", "enum": [10**1000]}),
        {"type": long},
    ):
        refusal(schema)


def test_the_formats_are_those_that_answers_are_held_to() -> None:
    for name in strict_schema.FORMATS:
        prepare(closed(a={**STRING, "format": name}))
