"""The keywords of a schema that hold no schemas: which are kept, what their values may be, and what is refused.

The library passes over malformed values where the type is another, and over keywords that it does not know. The first
are refused here; the second are annotations, as JSON schema has it, but for those that no grammar holds an answer to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

from spatz.errors import RequestError
from spatz.prompt.schema_place import Place, shown

__all__ = [
    "KEPT",
    "LARGEST",
    "UNSUPPORTED",
    "bound_digits",
    "check_counts",
    "checked",
    "fail",
    "old_bounds",
]

TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
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
# Of integers without bounds, and of numbers on the side that has none: a small model that has begun with digits may not
# find an end, and few readers take more than 64 bits. It is the largest below them that is a float64, which is what
# the library keeps bounds in.
LARGEST = 2**63 - 1024
LARGEST_NUMBER = 10**15
KEPT = ("type", "enum", "const", "required", *NUMBERS, *COUNTS)


def fail(reason: str, place: Place) -> NoReturn:
    raise RequestError(f"Invalid schema: In context={place}, {reason}", code="invalid_json_schema")


def checked(key: str, value: Any, place: Place, *, draft4: bool) -> Any:
    """The value of one of KEPT."""
    if key == "type":
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(name, str) and name in TYPES for name in names):
            fail(f"{shown(value)} is not a type.", place)
    elif key in ("enum", "const"):
        if key == "enum" and (not isinstance(value, list) or not value):
            fail("'enum' must be an array, and not empty.", place)
        if not _exact(value):
            fail(f"'{key}' has a number that is too large to be kept exactly.", place)
    elif key == "required":
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            fail("'required' must be an array of strings.", place)
    elif key in NUMBERS:
        boolean = isinstance(value, bool)
        if boolean and draft4 and key.startswith("exclusive"):
            return value
        if boolean or not isinstance(value, int | float) or not -1e300 < value < 1e300:
            fail(f"'{key}' must be a number of no more than 300 digits.", place)
        if key == "multipleOf" and value <= 0:
            fail("'multipleOf' must be more than 0.", place)
    elif key in COUNTS:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or not 0 <= value < 2**31:
            fail(f"'{key}' must be a non-negative integer below 2147483648.", place)
        return int(value)
    return value


def old_bounds(result: dict[str, Any]) -> None:
    """Draft 4's `exclusiveMinimum: true` says that `minimum` is exclusive."""
    for exclusive, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(result.get(exclusive), bool) and result.pop(exclusive) and plain in result:
            result[exclusive] = result.pop(plain)


def check_counts(source: Mapping[str, Any], result: dict[str, Any], place: Place) -> None:
    """The library does not see that a free key was said twice, and would count it twice."""
    least = result.get("minProperties", 0)
    if least > len(set(result.get("required", ()))) + 1:
        fail("'minProperties' is only supported up to one more than there are names in 'required'.", place)
    optional = source.get("properties", {}).keys() - set(result.get("required", ()))
    if len(optional) > MAX_OPTIONAL:
        fail(f"more than {MAX_OPTIONAL} properties of an object that are not required.", place)


def bound_digits(result: dict[str, Any]) -> None:
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
