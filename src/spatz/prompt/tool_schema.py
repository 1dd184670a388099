"""The JSON schema that a function's arguments are held to.

Without `strict`, JSON schema lets every object have properties that nobody named. A model that was shown a handful of
parameters is not asked for others, and a small one would make them up, so objects that list their properties are closed
where that changes nothing else. What the schema allows is only narrowed: arguments always validate against it as given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatz.prompt.turn import Tool

__all__ = ["arguments_schema"]

NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
MAX_DEPTH = 100  # schemas below it are left as they are
# Beside these, which properties an object may have is not decided by its own list alone.
_JOINED = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "patternProperties"}
    | {"unevaluatedProperties", "dependentSchemas", "minProperties", "propertyNames"}
)
# Where a schema stands alone, so that closing it does not shut out what a neighbour allows.
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "prefixItems")


def arguments_schema(tool: Tool) -> Mapping[str, Any]:
    """An object, whatever the tool says."""
    if tool.parameters is None:
        return NOTHING
    schema = {"type": "object", **tool.parameters}
    return schema if tool.strict else _closed(schema, joined=_joined_definitions(schema), depth=0)


def _joined_definitions(schema: Mapping[str, Any]) -> bool:
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


def _closed(schema: Any, *, joined: bool, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return schema
    result = dict(schema)
    for key in _MAPS:
        if isinstance(schema.get(key), Mapping) and not (joined and key != "properties"):
            result[key] = {name: _closed(value, joined=joined, depth=depth + 1) for name, value in schema[key].items()}
    if isinstance(schema.get("items"), Mapping):
        result["items"] = _closed(schema["items"], joined=joined, depth=depth + 1)
    for key in _LISTS:
        # The branches of a union beside properties are parts of one object, not objects of their own.
        if isinstance(schema.get(key), list) and "properties" not in schema:
            result[key] = [_closed(value, joined=joined, depth=depth + 1) for value in schema[key]]
    named = schema.get("properties")
    if named and "additionalProperties" not in schema and not _JOINED & schema.keys():
        # A required property that is not listed must stay possible.
        required = schema.get("required")
        if not isinstance(required, list) or all(isinstance(name, str) and name in named for name in required):
            result["additionalProperties"] = False
    return result
