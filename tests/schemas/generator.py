"""Varied JSON schemas from seeds: what people write, and what they write seldom. No seed makes one without a value.

`strict_schema` keeps to the rules of strict mode, `schema` does not. Both are small enough to be answered.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

__all__ = ["schema", "strict_schema"]

Schema = dict[str, Any]

KEYS = [
    *("id", "name", "title", "age", "tags", "items", "address", "email", "isActive", "created_at", "unit price", "x-y"),
    *(
        "größe",
        "名前",
        "ключ",
        "🙂",
        'a"b',
        "back\\slash",
        "tab\tkey",
        "new\nline",
        "",
        " ",
        "a/b",
        "a~b",
        "%41",
        "$ref",
    ),
    *("properties", "type", "__proto__", "constructor", "0", "nul\u0000l", "e\u0301"),
]
WORDS = ["red", "green", "blue", "dark red", "it's", 'say "hi"', "C:\\dir", "Zürich", "東京", "😀", "", "null", "1"]
PATTERNS = [
    *(
        r"^[A-Z]{3}-\d{4}$",
        r"^\+?[0-9]{7,12}$",
        r"^(yes|no)$",
        r"^#[0-9a-fA-F]{6}$",
        r"^\w{1,5}@\w{1,5}\.com$",
        r"^[^\s,]{1,8}$",
    ),
    *(
        r"^a.c$",
        r"^\D{1,3}\d$",
        r"ab",
        r"^x",
        r"[^aeiou]$",
        r"^[\w.-]{1,10}$",
        r"^\/api\/v\d+$",
        r"^[äöü]{1,3}$",
        r"^(a|b)*c$",
    ),
    *(r"^\S{1,6}$", r"^\W{1,2}$", r"^[^\W\d_]{1,6}$", r"^[\]\[]{2}$", r"^\u0041[\x41-\x43]$", r"(?i)^abc$", r"^\"\\$"),
]
FORMATS = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"]


class _Maker:
    def __init__(self, seed: int, *, strict: bool) -> None:
        self.random = random.Random(seed)
        self.strict = strict
        self.definitions: dict[str, Schema] = {}
        self.making: set[str] = set()

    def root(self) -> Schema:
        result = self.object(0)
        if self.definitions:
            result["$defs"] = self.definitions
        return result

    def any(self, depth: int) -> Schema:
        kinds: list[Callable[[int], Schema]] = [self.string, self.string, self.integer, self.number, self.simple]
        kinds += [self.enum, self.const, self.nullable, self.formatted, self.patterned]
        if depth < 3:
            kinds += [self.object, self.object, self.array, self.array, self.array, self.union, self.union]
            kinds += [self.reference, self.reference, self.tree]
            if not self.strict:
                kinds += [self.map, self.tuple, self.merged, self.anything, self.one_of, self.pattern_map]
        made = self.random.choice(kinds)(depth)
        if self.random.random() < 0.2:
            made = {"description": "What it says.", **made}
        return made

    def object(self, depth: int) -> Schema:
        names = self.random.sample(KEYS, self.random.randint(0 if depth else 1, 4))
        result: Schema = {"type": "object", "properties": {name: self.any(depth + 1) for name in names}}
        if self.strict:
            return {**result, "required": names, "additionalProperties": False}
        result["required"] = [name for name in names if self.random.random() < 0.7]
        if self.random.random() < 0.7:
            result["additionalProperties"] = False
        elif self.random.random() < 0.5:
            result["additionalProperties"] = {"type": "integer"}
        return result

    def array(self, depth: int) -> Schema:
        result: Schema = {"type": "array", "items": self.any(depth + 1), "maxItems": self.random.randint(1, 4)}
        if self.random.random() < 0.5:
            result["minItems"] = self.random.randint(0, result["maxItems"])
        return result

    def string(self, depth: int) -> Schema:
        result: Schema = {"type": "string"}
        if self.random.random() < 0.6:
            result["maxLength"] = self.random.randint(0, 12)
            if self.random.random() < 0.5:
                result["minLength"] = self.random.randint(0, result["maxLength"])
        return result

    def formatted(self, depth: int) -> Schema:
        return {"type": "string", "format": self.random.choice(FORMATS)}

    def patterned(self, depth: int) -> Schema:
        return {"type": "string", "pattern": self.random.choice(PATTERNS)}

    def integer(self, depth: int) -> Schema:
        low = self.random.choice([-100, -7, 0, 1, 18])
        choices: list[Schema] = [
            {},
            {"minimum": low},
            {"minimum": low, "maximum": low + self.random.randint(0, 300)},
            {"exclusiveMinimum": low, "exclusiveMaximum": low + 12},
            {"multipleOf": self.random.choice([2, 5, 7, 12])},
            {"minimum": 0, "maximum": 1000, "multipleOf": 25},
        ]
        return {"type": "integer", **self.random.choice(choices)}

    def number(self, depth: int) -> Schema:
        choices: list[Schema] = [
            {},
            {"minimum": 0},
            {"minimum": 0, "maximum": 1},
            {"exclusiveMinimum": 0, "maximum": 99.5},
            {"minimum": -1.5, "exclusiveMaximum": 2.25},
            {"multipleOf": self.random.choice([0.5, 0.01, 0.1, 3])},
        ]
        return {"type": "number", **self.random.choice(choices)}

    def simple(self, depth: int) -> Schema:
        return {"type": self.random.choice(["boolean", "null", "string", "integer"])}

    def enum(self, depth: int) -> Schema:
        size = self.random.randint(1, 5)
        if self.random.random() < 0.1:
            return {"type": "string", "enum": [f"value number {index}" for index in range(300)]}
        if self.random.random() < 0.6:
            return {"type": "string", "enum": self.random.sample(WORDS, size)}
        if self.random.random() < 0.5:
            return {"type": "integer", "enum": self.random.sample(range(-50, 50), size)}
        return {"enum": self.random.sample([*WORDS, 1, 2.5, -3, None, True, False], size)}

    def const(self, depth: int) -> Schema:
        values = ["fixed", 'a "b" \\', "ü", 7, -0.5, None, True]
        if not self.strict:
            values += [[], {"b": 1, "a": [None, "x"]}]  # type: ignore[list-item]
        return {"const": self.random.choice(values)}

    def nullable(self, depth: int) -> Schema:
        if self.random.random() < 0.5:
            return {"type": [self.random.choice(["string", "integer", "number", "boolean"]), "null"]}
        return {"anyOf": [self.any(depth + 1), {"type": "null"}]}

    def union(self, depth: int) -> Schema:
        return {"anyOf": [self.any(depth + 1) for _ in range(self.random.randint(1, 3))]}

    def reference(self, depth: int) -> Schema:
        name = self.random.choice(["Item", "Point[int]", "a b", "ü"])
        if name not in self.definitions:
            self.definitions[name] = {"type": "null"}
            self.making.add(name)
            self.definitions[name] = self.any(depth + 1)
            self.making.remove(name)
        elif name in self.making:  # a definition that is another name of itself has no value
            return {"type": "null"}
        return {"$ref": f"#/$defs/{name}"}

    def tree(self, depth: int) -> Schema:
        """A definition that holds itself, in a list or as null."""
        name = self.random.choice(["Node", "Tree"])
        itself = {"$ref": f"#/$defs/{name}"}
        if name not in self.definitions:
            below = self.random.choice(
                [{"type": "array", "items": itself, "maxItems": 2}, {"anyOf": [{"type": "null"}, itself]}]
            )
            fields: Schema = {"value": self.simple(depth), "below": below}
            self.definitions[name] = {
                "type": "object",
                "properties": fields,
                "required": list(fields),
                "additionalProperties": False,
            }
        return itself

    # --- not in strict mode -------------------------------------------------------------------------------------------

    def map(self, depth: int) -> Schema:
        result: Schema = {"type": "object", "additionalProperties": self.any(depth + 1)}
        return self.random.choice([result, {**result, "minProperties": 1}, {**result, "maxProperties": 2}])

    def pattern_map(self, depth: int) -> Schema:
        return {
            "type": "object",
            "patternProperties": {self.random.choice(["^x-", "^[a-z]{1,4}$", "_id$"]): self.any(depth + 1)},
            "additionalProperties": False,
            "maxProperties": 3,
        }

    def tuple(self, depth: int) -> Schema:
        parts = [self.any(depth + 1) for _ in range(self.random.randint(1, 3))]
        rest: list[Schema] = [{"items": False}, {"maxItems": 4}, {"items": {"type": "integer"}, "maxItems": 4}]
        return {"type": "array", "prefixItems": parts, "minItems": len(parts), **self.random.choice(rest)}

    def merged(self, depth: int) -> Schema:
        return {
            "allOf": [
                {"type": "object", "properties": {"a": self.any(depth + 1)}, "required": ["a"]},
                {"type": "object", "properties": {"b": self.any(depth + 1)}, "required": ["b"]},
            ]
        }

    def one_of(self, depth: int) -> Schema:
        return {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"kind": {"const": kind}, "value": self.any(depth + 1)},
                    "required": ["kind", "value"],
                    "additionalProperties": False,
                }
                for kind in ("cat", "dog")
            ]
        }

    def anything(self, depth: int) -> Schema:
        return self.random.choice([{}, {"title": "Anything"}, {"type": "object"}, {"minimum": 3, "maxLength": 4}])


def schema(seed: int) -> Schema:
    return _Maker(seed, strict=False).root()


def strict_schema(seed: int) -> Schema:
    return _Maker(seed, strict=True).root()
