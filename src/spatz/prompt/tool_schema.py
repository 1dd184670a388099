"""The JSON schema that a function's arguments are held to: what the tool says, and no more than a model can do with it.

Two things are narrowed; arguments always validate against the schema as it was given.

- Without `strict`, JSON schema lets every object have properties that nobody named. A model that was shown a handful of
  parameters is not asked for others, and a small one makes them up: objects that list their properties are
  closed, also those that list none.
- A model that was not trained on tools can say the same thing in a text for ever, and then there is no call, but half a
  one. Where a schema sets no bounds, texts, lists and numbers get some.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatz.prompt.turn import Tool

__all__ = ["LONGEST_TEXT", "MOST_ITEMS", "NOTHING", "arguments_schema"]

NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
LONGEST_TEXT = 400  # characters
MOST_ITEMS = 8
LARGEST = 10**12
SMALLEST_PART = 0.0001
_MAX_DEPTH = 100  # schemas below it are left as they are
# Beside these, which properties an object may have is not decided by its own list alone.
_JOINED = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "patternProperties"}
    | {"unevaluatedProperties", "dependentSchemas", "minProperties", "propertyNames"}
)
# Where a schema stands alone, so that narrowing it does not shut out what a neighbour allows.
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "prefixItems")
_DECIDED = frozenset({"enum", "const"})
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})


def arguments_schema(tool: Tool, *, bounded: bool = False) -> Mapping[str, Any]:
    """An object, whatever the tool says. bounded: for a model that may not find an end by itself."""
    if tool.parameters is None:
        return NOTHING
    schema = {"type": "object", **tool.parameters}
    if tool.strict and not bounded:
        return schema
    narrowing = _Narrowing(closed=not tool.strict, bounded=bounded, shared=not _has_joined_definitions(schema))
    narrowed: dict[str, Any] = narrowing.of(schema, 0)
    return narrowed


def _has_joined_definitions(schema: Mapping[str, Any]) -> bool:
    """Whether a definition may be used as one part of several: then none of them can be closed."""
    stack: list[Any] = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, Mapping):
            if "allOf" in node or ("properties" in node and _JOINED & node.keys()):
                return True
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return False


class _Narrowing:
    def __init__(self, *, closed: bool, bounded: bool, shared: bool) -> None:
        self._closed = closed
        self._bounded = bounded
        self._shared = shared  # definitions too

    def of(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            return schema
        result = dict(schema)
        for key in _MAPS:
            if isinstance(schema.get(key), Mapping) and (key == "properties" or self._shared):
                result[key] = {name: self.of(value, depth + 1) for name, value in schema[key].items()}
        if isinstance(schema.get("items"), Mapping):
            result["items"] = self.of(schema["items"], depth + 1)
        for key in _LISTS:
            # The branches of a union beside properties are parts of one object, not objects of their own.
            if isinstance(schema.get(key), list) and "properties" not in schema:
                result[key] = [self.of(value, depth + 1) for value in schema[key]]
        if self._closed:
            self._close(result)
        if self._bounded and not _DECIDED & result.keys():
            self._bound(result)
        return result

    def _close(self, schema: dict[str, Any]) -> None:
        named = schema.get("properties")
        if named is None or "additionalProperties" in schema or _JOINED & schema.keys():
            return
        # A required property that is not listed must stay possible.
        required = schema.get("required")
        if not isinstance(required, list) or all(isinstance(name, str) and name in named for name in required):
            schema["additionalProperties"] = False

    def _bound(self, schema: dict[str, Any]) -> None:
        kind = schema.get("type")
        kinds = kind if isinstance(kind, list) else [kind]
        if "string" in kinds and "maxLength" not in schema and "format" not in schema:
            schema["maxLength"] = max(LONGEST_TEXT, _count(schema, "minLength"))
        if "array" in kinds and "maxItems" not in schema:
            schema["maxItems"] = max(MOST_ITEMS, _count(schema, "minItems"))
        if _BOUNDS.isdisjoint(schema) and ("integer" in kinds or "number" in kinds):
            schema |= {"minimum": -LARGEST, "maximum": LARGEST}
            if "number" in kinds:
                schema["multipleOf"] = SMALLEST_PART


def _count(schema: Mapping[str, Any], key: str) -> int:
    value = schema.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
