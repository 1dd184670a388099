"""A client's JSON schema as the grammar library is given it: what it would not hold an answer to is refused here.

The library refuses the keywords that it knows and does not do, and passes over all others. What it does differently
from validators is written in a way that makes no difference: references, patterns, formats, old spellings. An answer
made after the result always validates against the schema as it came; some that would are not made.

Size and depth are bounded before (schema_bounds.py). The rules of strict mode are strict_schema.py's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import unquote

from spatz.errors import RequestError
from spatz.prompt.json_format import HINTS, LIBRARY, PATTERNS
from spatz.prompt.json_pattern import translate
from spatz.prompt.schema_finite import is_finite
from spatz.prompt.schema_place import Place, shown

__all__ = ["LARGEST", "prepare"]

Schema = dict[str, Any] | bool

TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
DIALECTS = frozenset(
    {
        "json-schema.org/draft-04/schema",
        "json-schema.org/draft-06/schema",
        "json-schema.org/draft-07/schema",
        "json-schema.org/draft/2019-09/schema",
        "json-schema.org/draft/2020-12/schema",
    }
)
# Keywords that hold schemas: by name, alone, in a list.
MAPS = ("properties", "patternProperties", "$defs", "definitions")
DEFINITIONS = ("$defs", "definitions")
SINGLE = ("items", "additionalItems", "additionalProperties")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
# Keywords that say something which no grammar of ours holds an answer to, and the values that say nothing.
UNSUPPORTED: dict[str, tuple[object, ...]] = {
    "not": (False,),
    "if": (),
    "then": (),
    "else": (),
    "contains": (),
    "minContains": (),
    "maxContains": (),
    "uniqueItems": (False,),
    "propertyNames": (True, {}, {"type": "string"}),
    "dependencies": ({},),
    "dependentRequired": ({},),
    "dependentSchemas": ({},),
    "unevaluatedItems": (True, {}),
    "unevaluatedProperties": (True, {}),
    "$dynamicRef": (),
    "$recursiveRef": (),
    # Of drafts before the fourth, and of the library itself.
    "extends": (),
    "disallow": (),
    "divisibleBy": (),
    "x-guidance": (),
}
MAX_OPTIONAL = 1_000  # properties of one object: the library's work grows with the square, 0.2 seconds for so many
# Of integers without bounds, and of numbers on the side that has none. A small model that has begun with digits may not
# find an end, and few readers take more than 64 bits. It is the largest below them that is a float64, too, which is what
# the library keeps bounds in.
LARGEST = 2**63 - 1024
LARGEST_NUMBER = 10**15
KEPT = ("type", "enum", "const", "required", *NUMBERS, *COUNTS)


def prepare(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema to compile. Raises RequestError (without a param) with the place and the reason."""
    return _Preparation(schema).run()


def _fail(reason: str, place: Place) -> NoReturn:
    raise RequestError(f"Invalid schema: In context={place}, {reason}", code="invalid_json_schema")


class _Preparation:
    """Walks the schema with a list of what is left to do, never recursively, and builds a new one beside it."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.source = root
        self.draft4 = False
        self.positions: dict[str, Schema] = {}  # by JSON pointer, as in the source
        self.references: list[tuple[dict[str, Any], str, Place]] = []
        self.nested_ids: list[Place] = []

    def run(self) -> dict[str, Any]:
        dialect = self.source.get("$schema")
        if dialect is not None:
            name = dialect.rstrip("#").partition("://")[2] if isinstance(dialect, str) else ""
            if name not in DIALECTS:
                _fail(f"the dialect {shown(dialect)} is not supported.", Place(None))
            self.draft4 = "draft-04" in name
        holder: dict[str, Any] = {}
        todo: list[tuple[object, Place, str, Any, Any]] = [(self.source, Place(), "#", holder, "root")]
        while todo:
            source, place, pointer, into, key = todo.pop()
            into[key] = self.positions[pointer] = result = self.shallow(source, place)
            if isinstance(source, Mapping) and isinstance(result, dict):
                todo.extend(reversed(list(self.children(source, result, place, pointer))))
        root: dict[str, Any] = holder["root"]
        self.join(root)
        if not is_finite(root):
            _fail("a part is only satisfied by a value without end, through its references.", Place())
        return root

    # --- one schema ---------------------------------------------------------------------------------------------------

    def shallow(self, source: object, place: Place) -> Schema:
        """One schema without those inside of it."""
        if isinstance(source, bool) and place.above is not None:
            return source
        if not isinstance(source, Mapping):
            _fail(f"{shown(source)} is not a schema.", place)
        for key, harmless in UNSUPPORTED.items():
            if key in source and not any(source[key] is value or source[key] == value for value in harmless):
                _fail(f"'{key}' is not supported.", place)
        result: dict[str, Any] = {}
        for key, value in source.items():
            if key in KEPT:
                result[key] = self.checked(key, value, place)
            elif key == "$ref":
                if not isinstance(value, str):
                    _fail("'$ref' must be a string.", place)
                result["$ref"] = value
                self.references.append((result, value, place))
            elif key == "pattern":
                self.add_pattern(result, self.pattern(value, place))
            elif key == "format":
                self.format(result, source, place)
            elif key in MAPS and key not in DEFINITIONS:
                if not isinstance(value, Mapping):
                    _fail(f"'{key}' must be an object.", place)
                result[key] = {}
            elif key in LISTS:
                if not isinstance(value, list) or not value:
                    _fail(f"'{key}' must be an array of schemas, and not empty.", place)
                result[key] = [None] * len(value) + result.get(key, [])
            elif key in SINGLE and key != "additionalItems" and not isinstance(value, list):
                result[key] = None
        self.old_bounds(result, place)
        self.check_counts(source, result, place)
        self.bound_digits(result)
        if isinstance(source.get("$id"), str) and place.above is not None and not source["$id"].startswith("#"):
            self.nested_ids.append(place)
        return result

    def checked(self, key: str, value: Any, place: Place) -> Any:
        if key == "type":
            names = value if isinstance(value, list) else [value]
            if not names or not all(isinstance(name, str) and name in TYPES for name in names):
                _fail(f"{shown(value)} is not a type.", place)
        elif key in ("enum", "const"):
            if key == "enum" and (not isinstance(value, list) or not value):
                _fail("'enum' must be an array, and not empty.", place)
            if not _exact(value):
                _fail(f"'{key}' has a number that is too large to be kept exactly.", place)
        elif key == "required":
            if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
                _fail("'required' must be an array of strings.", place)
        elif key in NUMBERS:
            boolean = isinstance(value, bool)
            if boolean and self.draft4 and key.startswith("exclusive"):
                return value
            if boolean or not isinstance(value, int | float) or not -1e300 < value < 1e300:
                _fail(f"'{key}' must be a number of no more than 300 digits.", place)
            if key == "multipleOf" and value <= 0:
                _fail("'multipleOf' must be more than 0.", place)
        elif key in COUNTS:
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            if isinstance(value, bool) or not whole or not 0 <= value < 2**31:
                _fail(f"'{key}' must be a non-negative integer below 2147483648.", place)
            return int(value)
        return value

    def old_bounds(self, result: dict[str, Any], place: Place) -> None:
        """Draft 4's `exclusiveMinimum: true` says that `minimum` is exclusive."""
        for exclusive, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if isinstance(result.get(exclusive), bool) and result.pop(exclusive) and plain in result:
                result[exclusive] = result.pop(plain)

    def check_counts(self, source: Mapping[str, Any], result: dict[str, Any], place: Place) -> None:
        """The library does not see that a free key was said twice, and would count it twice."""
        least = result.get("minProperties", 0)
        if least > len(set(result.get("required", ()))) + 1:
            _fail("'minProperties' is only supported up to one more than there are names in 'required'.", place)

        optional = source.get("properties", {}).keys() - set(result.get("required", ()))
        if len(optional) > MAX_OPTIONAL:
            _fail(f"more than {MAX_OPTIONAL} properties of an object that are not required.", place)

    def bound_digits(self, result: dict[str, Any]) -> None:
        """Give integers, and numbers with a bound on one side, the bounds that are missing."""
        kind = result.get("type")
        kinds = kind if isinstance(kind, list) else [kind]
        low = result.keys() & {"minimum", "exclusiveMinimum"}
        high = result.keys() & {"maximum", "exclusiveMaximum"}
        if "enum" in result or "const" in result:
            return
        if "number" in kinds:
            # Without any bound it may be written with an exponent, which the library has no expression for beside one.
            if "multipleOf" in result or bool(low) == bool(high):
                return
            most = LARGEST_NUMBER
        elif "integer" in kinds:
            most = LARGEST
        else:
            return
        if not high and max((result[key] for key in low), default=0) < most:
            result["maximum"] = most
        if not low and min((result[key] for key in high), default=0) > -most:
            result["minimum"] = -most

    def pattern(self, value: object, place: Place) -> str:
        if not isinstance(value, str):
            _fail("'pattern' must be a string.", place)
        try:
            return translate(value)
        except ValueError as error:
            _fail(f"{error}.", place)

    def add_pattern(self, result: dict[str, Any], pattern: str) -> None:
        if "pattern" in result:
            result.setdefault("allOf", []).append({"pattern": pattern})
        else:
            result["pattern"] = pattern

    def format(self, result: dict[str, Any], source: Mapping[str, Any], place: Place) -> None:
        name = source["format"]
        if not isinstance(name, str):
            _fail("'format' must be a string.", place)
        kind = source.get("type", "string")
        if kind != "string" and not (isinstance(kind, list) and "string" in kind):
            return  # of numbers: int32, double. It has no meaning for anything but strings
        if name in PATTERNS:
            # A value that is given needs no pattern to be made after, and may be one that ours is too narrow for.
            if "const" not in source and "enum" not in source:
                self.add_pattern(result, PATTERNS[name])
            else:
                result["format"] = name
        elif name in LIBRARY:
            result["format"] = name
        elif name not in HINTS:
            _fail(f"the format {shown(name)} is not supported.", place)

    # --- those inside of it -------------------------------------------------------------------------------------------

    def children(
        self, source: Mapping[str, Any], result: dict[str, Any], place: Place, pointer: str
    ) -> Iterator[tuple[object, Place, str, Any, Any]]:
        """(schema, place, pointer, where its copy goes)"""
        for key in MAPS:
            if key not in source:
                continue
            if not isinstance(source[key], Mapping):
                _fail(f"'{key}' must be an object.", place)
            for name, value in source[key].items():
                below = Place(Place(place, key), name)
                into: dict[str, Any] = {} if key in DEFINITIONS else result[key]
                wanted = name
                if key == "patternProperties":
                    wanted = self.pattern(name, below)
                    if wanted in into:
                        _fail("two patterns that are the same.", below)
                if key not in DEFINITIONS:
                    into[wanted] = None  # in the source's order, whenever it is filled
                yield value, below, f"{pointer}/{key}/{_escaped(name)}", into, wanted
        for key in LISTS:
            for index, value in enumerate(source.get(key, ())):
                yield value, Place(Place(place, key), str(index)), f"{pointer}/{key}/{index}", result[key], index
        for key in SINGLE:
            if key in source and isinstance(source[key], list):
                if key != "items" or "prefixItems" in source:
                    _fail(f"'{key}' must be a schema.", place)
                # Before 2020 a list of items was what prefixItems is now, and additionalItems what items is.
                result["prefixItems"] = [None] * len(source[key])
                for index, value in enumerate(source[key]):
                    yield value, Place(Place(place, key), str(index)), "", result["prefixItems"], index
                if "additionalItems" in source:
                    yield source["additionalItems"], Place(place, "additionalItems"), "", result, "items"
            elif key in result:
                yield source[key], Place(place, key), f"{pointer}/{key}", result, key

    # --- references ---------------------------------------------------------------------------------------------------

    def join(self, root: dict[str, Any]) -> None:
        """Point every reference at a definition with a plain name, and keep no definition that nothing points at."""
        if self.references and self.nested_ids:
            _fail("'$id' is not supported in a schema with references.", self.nested_ids[0])
        names: dict[int, str] = {}
        definitions: dict[str, Schema] = {}
        for holder, target, place in self.references:
            found = self.resolve(target, place)
            if found is root:
                holder["$ref"] = "#"
                continue
            name = names.setdefault(id(found), f"d{len(names)}")
            definitions[name] = found
            holder["$ref"] = f"#/$defs/{name}"
        if definitions:
            root["$defs"] = definitions

    def resolve(self, target: str, place: Place) -> Schema:
        if not target.startswith("#"):
            _fail(f"the reference {shown(target)} leaves the schema.", place)
        for pointer in (target, unquote(target)):
            if pointer.rstrip("/") in self.positions:
                return self.positions[pointer.rstrip("/")]
        _fail(f"the reference {shown(target)} points at no schema.", place)


def _exact(value: object) -> bool:
    """Whether all numbers in a value are the same to every reader."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, Mapping):
            todo.extend(item.values())
        elif (isinstance(item, int) and abs(item) > 2**63) or (isinstance(item, float) and not math.isfinite(item)):
            return False
    return True


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
