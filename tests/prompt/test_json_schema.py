from __future__ import annotations

from typing import Any

import pytest

from spatz.errors import RequestError
from spatz.prompt.json_keywords import LARGEST
from spatz.prompt.json_schema import prepare


def refusal(schema: Any) -> str:
    with pytest.raises(RequestError) as caught:
        prepare(schema)
    assert caught.value.status == 400
    assert caught.value.code == "invalid_json_schema"
    assert len(caught.value.message) < 1000
    return caught.value.message


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"not": {}}, "In context=(), 'not' is not supported."),
        ({"anyOf": [{}, {"if": {}}]}, "In context=('anyOf', '1'), 'if' is not supported."),
        (
            {"properties": {"a": {"uniqueItems": True}}},
            "In context=('properties', 'a'), 'uniqueItems' is not supported.",
        ),
        ({"items": {"contains": {}}}, "In context=('items',), 'contains' is not supported."),
        ({"$defs": {"unused": {"dependentSchemas": {"a": {}}}}}, "('$defs', 'unused'), 'dependentSchemas' is not"),
        ({"x-guidance": {"lenient": True}}, "'x-guidance' is not supported."),
        ({"items": {"x-guidance": {}}}, "'x-guidance' is not supported."),
        ({"$dynamicRef": "#a"}, "'$dynamicRef' is not supported."),
        ({"unevaluatedItems": False}, "'unevaluatedItems' is not supported."),
        ({"minProperties": 2}, "'minProperties' is only supported up to one more than"),
        ({"properties": {f"p{n}": {} for n in range(1001)}}, "more than 1000 properties of an object that are not"),
        ({"type": "string", "format": "iri"}, "the format 'iri' is not supported."),
        ({"type": "string", "pattern": "(?=a)"}, "is not supported: look-around."),
        ({"patternProperties": {"a++": {}}}, "In context=('patternProperties', 'a++'), the pattern 'a++' is not"),
        (
            {"$schema": "http://json-schema.org/draft-03/schema#"},
            "the dialect 'http://json-schema.org/draft-03/schema#'",
        ),
        ({"$schema": 3}, "the dialect 3 is not supported."),
        ({"$ref": "other.json"}, "the reference 'other.json' leaves the schema."),
        ({"$ref": "#/$defs/a"}, "the reference '#/$defs/a' points at no schema."),
        ({"$ref": "#/enum/0", "enum": [{}]}, "points at no schema."),
        ({"items": {"$id": "http://x/y", "$ref": "#"}}, "'$id' is not supported in a schema with references."),
        ({"enum": [10**30]}, "'enum' has a number that is too large to be kept exactly."),
        ({"const": {"a": [1e999]}}, "'const' has a number that is too large to be kept exactly."),
    ],
)
def test_what_no_grammar_keeps_is_refused(schema: dict[str, Any], message: str) -> None:
    assert message in refusal(schema)


@pytest.mark.parametrize(
    "schema",
    [
        *({"type": kind} for kind in ("any", 3, [], ["string", 3], None)),
        *({"enum": value} for value in ([], {}, "a")),
        *({"required": value} for value in (True, "a", ["a", 1])),
        *({key: value} for key in ("properties", "patternProperties", "$defs", "definitions") for value in ([], 3)),
        *({key: value} for key in ("anyOf", "oneOf", "allOf", "prefixItems") for value in ([], {}, [3], "a")),
        *({key: value} for key in ("items", "additionalProperties") for value in (3, "a", None)),
        *({key: value} for key in ("minimum", "multipleOf") for value in ("3", True, float("inf"), 10**400, None)),
        *({key: value} for key in ("minLength", "maxItems") for value in ("3", True, -1, 2.5, 2**40)),
        *({key: 3} for key in ("pattern", "format", "$ref")),
        *({"multipleOf": value} for value in (0, -1)),
        {"exclusiveMinimum": True, "minimum": 3},
        {"properties": {"a": 3}},
    ],
)
def test_keywords_with_a_wrong_value_are_refused(schema: dict[str, Any]) -> None:
    """The library would pass over some of them, where the type is another."""
    refusal({"type": "boolean", **schema})


@pytest.mark.parametrize(
    ("schema", "prepared"),
    [
        ({"type": "string", "title": "T", "maxlength": 3, "example": {"not": 1}}, {"type": "string"}),
        ({"type": "array", "uniqueItems": False}, {"type": "array"}),
        ({"type": "number", "format": "double"}, {"type": "number"}),
        ({"type": "integer"}, {"type": "integer", "maximum": LARGEST, "minimum": -LARGEST}),
        ({"type": "number", "minimum": 0}, {"type": "number", "minimum": 0, "maximum": 10**15}),
        (
            {"type": "number", "exclusiveMaximum": 1e20},
            {"type": "number", "exclusiveMaximum": 1e20, "minimum": -(10**15)},
        ),
        ({"type": "number", "minimum": 10**15}, {"type": "number", "minimum": 10**15}),
        ({"type": "number", "multipleOf": 0.5, "minimum": 0}, {"type": "number", "multipleOf": 0.5, "minimum": 0}),
        ({"type": "integer", "minimum": 2**63}, {"type": "integer", "minimum": 2**63}),
        (
            {"type": ["integer", "null"], "exclusiveMaximum": -5},
            {"type": ["integer", "null"], "exclusiveMaximum": -5, "minimum": -LARGEST},
        ),
        ({"type": "integer", "enum": [1]}, {"type": "integer", "enum": [1]}),
        ({"type": "string", "format": "password"}, {"type": "string"}),
        ({"type": "string", "format": "uuid"}, {"type": "string", "format": "uuid"}),
        ({"const": "a@b", "format": "email"}, {"const": "a@b", "format": "email"}),
        ({"type": "string", "minLength": 2.0}, {"type": "string", "minLength": 2}),
        ({"additionalProperties": False, "items": True}, {"additionalProperties": False, "items": True}),
        (
            {"items": [{}, False], "additionalItems": {"type": "null"}},
            {"prefixItems": [{}, False], "items": {"type": "null"}},
        ),
        ({"items": [True]}, {"prefixItems": [True]}),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "type": "null"}, {"type": "null"}),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": True},
            {"exclusiveMinimum": 3},
        ),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": False},
            {"minimum": 3},
        ),
        (
            {
                "properties": {"z": {"$ref": "#/$defs/a%20b"}, "a": {"$ref": "#/$defs/a b"}},
                "$defs": {"a b": {}, "u": {}},
            },
            {"properties": {"z": {"$ref": "#/$defs/d0"}, "a": {"$ref": "#/$defs/d0"}}, "$defs": {"d0": {}}},
        ),
        (
            {"properties": {"a/b": {"type": "null"}, "c": {"$ref": "#/properties/a~1b"}}},
            {"properties": {"a/b": {"type": "null"}, "c": {"$ref": "#/$defs/d0"}}, "$defs": {"d0": {"type": "null"}}},
        ),
        (
            {"anyOf": [{"type": "null"}, {"items": {"$ref": "#"}}]},
            {"anyOf": [{"type": "null"}, {"items": {"$ref": "#"}}]},
        ),
    ],
)
def test_what_it_becomes(schema: dict[str, Any], prepared: dict[str, Any]) -> None:
    assert prepare(schema) == prepared


def test_properties_keep_their_order() -> None:
    schema = {"properties": {name: {"type": "null"} for name in "zyxabc"}}
    assert list(prepare(schema)["properties"]) == list("zyxabc")


def test_patterns_and_formats_join() -> None:
    prepared = prepare({"allOf": [{"minLength": 1}], "pattern": "^2", "format": "date"})
    assert prepared["pattern"] == "^2"
    assert prepared["allOf"][0] == {"minLength": 1}
    assert prepared["allOf"][1]["pattern"].startswith("^(?:")


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}]},
        {"allOf": [{}, {"$ref": "#"}]},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "object", "required": ["a"], "additionalProperties": {"$ref": "#"}},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
        {"type": "array", "prefixItems": [{"$ref": "#"}], "minItems": 1},
        {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"$ref": "#/$defs/y"}, "y": {"$ref": "#/$defs/x"}}},
        {"anyOf": [{"type": "null"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/anyOf/1"}}]},
    ],
)
def test_schemas_without_an_end_are_refused(schema: dict[str, Any]) -> None:
    assert "a value without end" in refusal(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"type": ["object", "null"], "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"anyOf": [{"type": "array", "minItems": 1, "items": {"$ref": "#"}}, {"type": "null"}]},
        {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    ],
)
def test_recursion_with_an_end_passes(schema: dict[str, Any]) -> None:
    prepare(schema)


def test_depth_and_length_are_no_recursion() -> None:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(1000):
        schema = {"items": schema}
    prepare(schema)
    links = {f"d{number}": {"items": {"$ref": f"#/$defs/d{number + 1}"}} for number in range(10_000)}
    prepare({"$ref": "#/$defs/d0", "$defs": {**links, "d10000": {}}})
