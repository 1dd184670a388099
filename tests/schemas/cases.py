"""The 200 schemas that the served model is asked for: made from seeds, and taken from what is installed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from schemas import collected, generator

__all__ = ["COUNT", "Case", "cases"]

COUNT = 200
MODELS = 40

# Each says something that no grammar holds an answer to, or is no schema at all. (schema, what the refusal names)
UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"type": "array", "items": {}, "uniqueItems": True}, "'uniqueItems'"),
    ({"not": {"type": "string"}}, "'not'"),
    ({"if": {"type": "string"}, "then": {"minLength": 3}}, "'if'"),
    ({"type": "array", "contains": {"const": 1}}, "'contains'"),
    ({"type": "object", "propertyNames": {"pattern": "^a"}}, "'propertyNames'"),
    ({"type": "object", "dependentRequired": {"a": ["b"]}}, "'dependentRequired'"),
    ({"type": "object", "unevaluatedProperties": False}, "'unevaluatedProperties'"),
    ({"type": "object", "minProperties": 3}, "'minProperties'"),
    ({"type": "string", "format": "regex"}, "'regex'"),
    ({"type": "string", "pattern": "^(?=a).*$"}, "look-around"),
    ({"type": "string", "pattern": "("}, "unclosed group"),
    ({"type": "string", "minLength": 3, "maxLength": 2}, "minLength"),
    ({"type": "object", "x-guidance": {"lenient": True}, "not": {}}, "'not'"),
    ({"type": "string", "x-guidance": {"lenient": True}}, "'x-guidance'"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf"),
    ({"$ref": "#"}, "without end"),
    ({"$ref": "#/$defs/gone"}, "points at no schema"),
    ({"$ref": "https://example.com/schema.json"}, "leaves the schema"),
    ({"type": "object", "properties": {"a": {"type": "text"}}}, "is not a type"),
    ({"type": "number", "multipleOf": 1.23456789}, "multipleOf"),
]


@dataclass(frozen=True)
class Case:
    name: str
    schema: dict[str, Any]
    strict: bool = False
    refused: str = ""  # what the refusal says; empty: it may be answered


def cases() -> list[Case]:
    found = [Case(f"unsupported-{index}", schema, False, names) for index, (schema, names) in enumerate(UNSUPPORTED)]
    found += [Case(uri, schema) for uri, schema in collected.metaschemas().items()]
    models = [Case(name, model.model_json_schema()) for name, model in collected.models().items()]
    found += sorted(models, key=lambda case: len(json.dumps(case.schema)))[:MODELS]  # the longer, the fewer end
    made = COUNT - len(found)
    for seed in range(1000, 1000 + made):
        strict = seed % 3 == 0
        found.append(Case(f"seed-{seed}", (generator.strict_schema if strict else generator.schema)(seed), strict))
    return found
