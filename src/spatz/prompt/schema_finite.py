"""Does a schema have an end? One that only a value without end satisfies would make an answer that never stops.

`{"$ref": "#"}` and `{"properties": {"next": {"$ref": "#"}}, "required": ["next"]}` are such. Every schema within one is
looked at, since an answer could go there: a property need not be required to be chosen. Works on what json_schema.py
prepared: references are "#" or "#/$defs/...". It proves no value, only that nothing forbids its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["is_finite"]

_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "$defs")
_SINGLE = ("items", "additionalProperties")


def is_finite(root: dict[str, Any]) -> bool:
    """Whether nothing forbids it that every schema in this one has a finite value."""
    schemas = list(_all(root))
    definitions = root.get("$defs", {})

    def target(schema: dict[str, Any]) -> Any:
        return root if schema["$ref"] == "#" else definitions[schema["$ref"].removeprefix("#/$defs/")]

    # Who has to be looked at again when a schema turns out to have an end.
    users: dict[int, list[dict[str, Any]]] = {}
    for schema in schemas:
        for other in _needs(schema, target):
            users.setdefault(id(other), []).append(schema)
    ended: set[int] = set()
    todo = list(schemas)
    while todo:
        schema = todo.pop()
        if id(schema) not in ended and _ends(schema, target, ended):
            ended.add(id(schema))
            todo.extend(users.get(id(schema), ()))
    return all(id(schema) in ended for schema in schemas)


def _all(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    todo: list[Any] = [root]
    seen: set[int] = set()
    while todo:
        schema = todo.pop()
        if not isinstance(schema, dict) or id(schema) in seen:
            continue
        seen.add(id(schema))
        yield schema
        todo.extend(_inside(schema))


def _inside(schema: dict[str, Any]) -> Iterator[Any]:
    for key in _LISTS:
        yield from schema.get(key, ())
    for key in _MAPS:
        yield from schema.get(key, {}).values()
    for key in _SINGLE:
        if key in schema:
            yield schema[key]


def _needs(schema: dict[str, Any], target: Any) -> Iterator[Any]:
    if "$ref" in schema:
        yield target(schema)
    yield from _inside(schema)


def _ends(schema: dict[str, Any], target: Any, ended: set[int]) -> bool:
    def ok(other: Any) -> bool:
        return other is True or other is False or id(other) in ended

    if "$ref" in schema and not ok(target(schema)):
        return False
    if not all(map(ok, schema.get("allOf", ()))):
        return False
    for key in ("anyOf", "oneOf"):
        if key in schema and not any(map(ok, schema[key])):
            return False
    kinds = schema.get("type")
    kinds = {kinds} if isinstance(kinds, str) else set(kinds or ("any",))
    if kinds - {"object", "array"} or "enum" in schema or "const" in schema:
        return True
    return ("object" in kinds and _object_ends(schema, ok)) or ("array" in kinds and _array_ends(schema, ok))


def _object_ends(schema: dict[str, Any], ok: Any) -> bool:
    properties = schema.get("properties", {})
    return all(
        ok(properties.get(name, schema.get("additionalProperties", True))) for name in schema.get("required", ())
    )


def _array_ends(schema: dict[str, Any], ok: Any) -> bool:
    least = schema.get("minItems", 0)
    prefix = schema.get("prefixItems", [])
    return all(map(ok, prefix[:least])) and (least <= len(prefix) or ok(schema.get("items", True)))
