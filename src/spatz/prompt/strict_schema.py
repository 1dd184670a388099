"""Is this JSON schema one that strict mode takes? The rules, limits and words are those of the API.

Asked by the routes before anything is compiled: for a response format, and for every function with `strict: true`.
Each schema node is looked at once, references are looked up but not followed, and there is no recursion: the work is
bounded by the size of the schema, however it is nested. What a schema that passes means is not this file's business:
json_schema.py and grammar.py turn it into a grammar.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

from spatz.errors import RequestError
from spatz.prompt.schema_place import SHOWN, Place, shown

__all__ = ["FORMATS", "check_strict"]

MAX_PROPERTIES = 5_000
MAX_DEPTH = 10  # objects and arrays within one another
MAX_NESTING = 100  # of schemas of any kind: unions of unions of unions
MAX_CHARACTERS = 120_000  # names of properties and definitions, values of enum and const
MAX_ENUM_VALUES = 1_000
LARGE_ENUM = 250  # a string enum of more values than this...
MAX_LARGE_ENUM_CHARACTERS = 15_000  # ...may have so many characters

FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
ANNOTATIONS = frozenset(
    {
        "$comment",
        "$id",
        "$schema",
        "default",
        "deprecated",
        "description",
        "discriminator",
        "examples",
        "readOnly",
        "title",
        "writeOnly",
    }
)
BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength"})
DEFINITIONS = ("$defs", "definitions")
UNIONS = ("anyOf", "oneOf")
# What has rules below. Everything else is not permitted: a keyword that we ignored would be a promise not kept.
SHAPES = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "pattern", "format", "$ref"}
)
PERMITTED = ANNOTATIONS | BOUNDS | COUNTS | SHAPES | set(DEFINITIONS) | set(UNIONS)


def check_strict(schema: object, name: str, param: str = "response_format", code: str | None = None) -> None:
    """RequestError, in the API's words, if strict mode does not take this schema.

    param "response_format" (chat) and "text.format.schema" (Responses, with code "invalid_json_schema") are of a
    response format called `name`; any other param is of a function of that name.
    """
    kind = "response_format" if param == "response_format" or param.startswith("text.") else "function"
    _Check(f"Invalid schema for {kind} '{name[:SHOWN]}': ", param, code).run(schema)


class _Check:
    def __init__(self, prefix: str, param: str, code: str | None) -> None:
        self.prefix = prefix
        self.param = param
        self.code = code
        self.properties = 0
        self.characters = 0
        self.enum_values = 0

    def run(self, root: object) -> None:
        if not isinstance(root, dict) or root.get("type") != "object":
            kind = root.get("type") if isinstance(root, dict) else shown(root)
            kind = kind[:SHOWN] if isinstance(kind, str) else shown(kind)
            self.fail(f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'.")
        for key in (*UNIONS, "enum", "const", "$ref"):
            if key in root:
                self.fail(f"schema must have type 'object' and not have '{key}' at the top level.")
        self.root: dict[str, Any] = root
        todo: list[tuple[object, Place]] = [(root, Place())]
        while todo:
            schema, place = todo.pop()
            todo.extend(reversed(list(self.visit(schema, place))))

    def fail(self, text: str, place: Place | None = None) -> NoReturn:
        where = f"In context={place}, " if place is not None else ""
        raise RequestError(f"{self.prefix}{where}{text}", param=self.param, code=self.code)

    def visit(self, schema: object, place: Place) -> Iterator[tuple[object, Place]]:
        """Check one schema; yields those directly inside of it."""
        if not isinstance(schema, dict):
            self.fail(f"{shown(schema)} is not of type 'object'.", place)
        if place.depth > 2 * MAX_NESTING:
            self.fail(f"Expected at most {MAX_NESTING} schemas within one another.")
        for key in schema:
            if key not in PERMITTED:
                self.fail(f"'{key[:SHOWN]}' is not permitted.", place)
        types = self.types(schema, place)
        levels = place.levels + (1 if types & {"object", "array"} else 0)
        if levels > MAX_DEPTH:
            self.fail(f"{levels} levels of nesting exceeds limit of {MAX_DEPTH}.")
        self.values(schema, types, place)
        if "$ref" in schema:
            self.reference(schema, place)
        if "object" in types:
            self.object_keys(schema, place)
        if "array" in types and "items" not in schema:
            self.fail("array schema missing items.", place)
        yield from self.inside(schema, place, levels)

    def inside(self, schema: dict[str, Any], place: Place, levels: int) -> Iterator[tuple[object, Place]]:
        for key in DEFINITIONS:
            if key in schema:
                found = self.mapping(schema, key, place)
                self.count_characters(sum(map(len, found)))
                for name, value in found.items():
                    yield value, Place(Place(place, key), name)
        if "properties" in schema:
            found = self.mapping(schema, "properties", place)
            self.properties += len(found)
            if self.properties > MAX_PROPERTIES:
                self.fail(f"Expected at most {MAX_PROPERTIES} object properties total in schema, but got more.")
            self.count_characters(sum(map(len, found)))
            for name, value in found.items():
                yield value, Place(Place(place, "properties"), name, levels)
        if "items" in schema:
            yield schema["items"], Place(place, "items", levels)
        for key in UNIONS:
            if key in schema:
                branches = schema[key]
                if not isinstance(branches, list) or not branches:
                    self.fail(f"{shown(branches)} is not a non-empty array.", Place(place, key))
                for index, branch in enumerate(branches):
                    yield branch, Place(Place(place, key), str(index), place.levels)

    def mapping(self, schema: dict[str, Any], key: str, place: Place) -> dict[str, Any]:
        value = schema[key]
        if not isinstance(value, dict):
            self.fail(f"{shown(value)} is not of type 'object'.", Place(place, key))
        return value

    def types(self, schema: dict[str, Any], place: Place) -> frozenset[str]:
        if "type" not in schema:
            if not any(key in schema for key in ("$ref", "enum", "const", *UNIONS)):
                self.fail("schema must have a 'type' key.", place)
            if "properties" in schema or "items" in schema:
                self.fail("schema must have a 'type' key.", place)
            return frozenset()
        value = schema["type"]
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(name, str) and name in TYPES for name in names):
            self.fail(f"{shown(value)} is not valid under any of the given schemas.", Place(place, "type"))
        return frozenset(names)

    def object_keys(self, schema: dict[str, Any], place: Place) -> None:
        if schema.get("additionalProperties") is not False:
            self.fail("'additionalProperties' is required to be supplied and to be false.", place)
        properties = self.mapping(schema, "properties", place) if "properties" in schema else {}
        words = "'required' is required to be supplied and to be an array including every key in properties."
        required = schema.get("required", [] if not properties else None)
        if not isinstance(required, list) or not all(isinstance(key, str) for key in required):
            self.fail(words, place)
        for key in properties.keys() - set(required):
            missing = next(name for name in properties if name == key or name not in required)
            self.fail(f"{words} Missing '{missing[:SHOWN]}'.", place)
        for key in required:
            if key not in properties:
                self.fail(f"{words} Extra required key '{key[:SHOWN]}' supplied.", place)

    def reference(self, schema: dict[str, Any], place: Place) -> None:
        others = schema.keys() - ANNOTATIONS - {"$ref", *DEFINITIONS}
        if others:
            self.fail(f"$ref cannot have keywords {{{', '.join(repr(key[:SHOWN]) for key in sorted(others))}}}.", place)
        target = schema["$ref"]
        if not isinstance(target, str):
            self.fail(f"{shown(target)} is not of type 'string'.", Place(place, "$ref"))
        if target == "#":
            return
        for key in DEFINITIONS:
            if target.startswith(f"#/{key}/"):
                name = target.removeprefix(f"#/{key}/").replace("~1", "/").replace("~0", "~")
                found = self.root.get(key)
                if not isinstance(found, dict) or name not in found:
                    self.fail(f"reference to component '{target[:SHOWN]}' which was not found in the schema.", place)
                return
        self.fail("reference can only point to definitions defined at the top level of the schema.", place)

    def values(self, schema: dict[str, Any], types: frozenset[str], place: Place) -> None:
        """Keywords whose values are not schemas."""
        for key in BOUNDS & schema.keys():
            value = schema[key]
            if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
                self.fail(f"{shown(value)} is not of type 'number'.", Place(place, key))
            if key == "multipleOf" and value <= 0:
                self.fail(f"{shown(value)} is less than or equal to the minimum of 0.", Place(place, key))
        for key in COUNTS & schema.keys():
            value = schema[key]
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                self.fail(f"{shown(value)} is not a non-negative integer.", Place(place, key))
        for key in ("pattern", "format"):
            if key in schema and not isinstance(schema[key], str):
                self.fail(f"{shown(schema[key])} is not of type 'string'.", Place(place, key))
        if "format" in schema and schema["format"] not in FORMATS:
            self.fail(f"{shown(schema['format'])} is not a valid format.", place)
        if "enum" in schema:
            values = schema["enum"]
            if not isinstance(values, list) or not values:
                self.fail(f"{shown(values)} is not a non-empty array.", Place(place, "enum"))
            self.enum(values, types, place)
        if "const" in schema:
            self.count_characters(_characters(schema["const"]))
            if types and not _has_type(schema["const"], types):
                self.fail(f"const value {shown(schema['const'])} is not of the schema's 'type'.", place)

    def enum(self, values: list[Any], types: frozenset[str], place: Place) -> None:
        self.enum_values += len(values)
        if self.enum_values > MAX_ENUM_VALUES:
            self.fail(f"Expected at most {MAX_ENUM_VALUES} enum values in total within a schema, but got more.")
        characters = sum(map(_characters, values))
        if len(values) > LARGE_ENUM and characters > MAX_LARGE_ENUM_CHARACTERS:
            self.fail(
                f"Expected at most {MAX_LARGE_ENUM_CHARACTERS} characters in an enum with more than {LARGE_ENUM} "
                f"values, but got {characters}.",
                place,
            )
        self.count_characters(characters)
        for value in values:
            if types and not _has_type(value, types):
                self.fail(f"enum value {shown(value)} is not of the schema's 'type'.", place)

    def count_characters(self, number: int) -> None:
        self.characters += number
        if self.characters > MAX_CHARACTERS:
            self.fail(
                f"Expected at most {MAX_CHARACTERS} characters of property names, definition names, enum values and "
                "const values in total within a schema, but got more."
            )


def _has_type(value: object, types: frozenset[str]) -> bool:
    if value is None:
        return "null" in types
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, int):
        return bool(types & {"integer", "number"})
    if isinstance(value, float):
        return "number" in types or ("integer" in types and value.is_integer())
    if isinstance(value, str):
        return "string" in types
    return ("array" if isinstance(value, list) else "object") in types


def _characters(value: object) -> int:
    """Of all strings in a value."""
    total = 0
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            todo.extend(item)
            todo.extend(item.values())
    return total
