"""Bodies to objects, and what pydantic finds wrong with them to one error in the API's words, with the path.

Only the first finding is told, as the API does. No value longer than a few dozen characters is repeated to the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json

from spatz.errors import RequestError

__all__ = ["parse_body", "validate"]

Body = TypeVar("Body", bound=BaseModel)

EXPECTED = {
    "string_type": "a string",
    "float_type": "a decimal",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
BOUNDS = {
    "greater_than_equal": ("ge", "below minimum value", "below_min_value", ">="),
    "greater_than": ("gt", "below minimum value", "below_min_value", ">"),
    "less_than_equal": ("le", "above maximum value", "above_max_value", "<="),
    "less_than": ("lt", "above maximum value", "above_max_value", "<"),
}


def parse_body(data: bytes) -> dict[str, Any]:
    """A JSON object from the wire. Strict UTF-8, no NaN, bounded depth and bounded digits: the parser sees to those."""
    try:
        value = from_json(data, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise RequestError(
            f"We could not parse the JSON body of your request: {str(error)[:200]}.", code="invalid_json"
        ) from None
    if not isinstance(value, dict):
        raise RequestError(f"Invalid body: expected a JSON object, but got {_kind(value)}.", code="invalid_type")
    return value


def validate(kind: type[Body], value: dict[str, Any]) -> Body:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        # include_input is needed for the words; nothing of it is repeated at length.
        raise translate(error.errors(include_url=False)[0]) from None


def translate(found: ErrorDetails) -> RequestError:
    kind = found["type"]
    context = found.get("ctx", {})
    param = path(found["loc"])
    value = found.get("input")
    if kind == "api":
        place = context["param"]
        if place == "" or (place or "").startswith("."):
            place = (param + place).lstrip(".")
        return RequestError(context["text"].replace("{param}", place or ""), param=place, code=context["code"])
    if kind == "extra_forbidden":
        if len(found["loc"]) == 1:
            return RequestError(f"Unrecognized request argument supplied: {param[:100]}")
        return RequestError(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")
    if kind == "missing":
        return RequestError(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    if kind == "float_type" and isinstance(value, int) and not isinstance(value, bool):
        return RequestError(f"Invalid '{param}': a huge number.", param=param, code="invalid_value")
    if kind in EXPECTED:
        return RequestError(
            f"Invalid type for '{param}': expected {EXPECTED[kind]}, but got {_kind(value)} instead.",
            param=param,
            code="invalid_type",
        )
    if kind in BOUNDS:
        return _bound(kind, context, param, value)
    if kind in ("too_long", "too_short", "string_too_long", "string_too_short"):
        return _length(kind, context, param, value)
    if kind == "string_pattern_mismatch":
        return RequestError(
            f"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern "
            f"'{context['pattern']}'.",
            param=param,
            code="invalid_value",
        )
    if kind == "literal_error":
        return RequestError(
            f"Invalid value: {_shown(value)}. Supported values are: {context['expected']}.",
            param=param,
            code="invalid_value",
        )
    return RequestError(f"Invalid value for '{param}': {found['msg']}.", param=param, code="invalid_value")


def path(places: Sequence[int | str]) -> str:
    """messages[0].content[1].text. Names that start with ~ are branches of a union, which the client does not know."""
    text = ""
    for place in places:
        if isinstance(place, int):
            text += f"[{place}]"
        elif not place.startswith("~"):
            text += f".{place[:100]}" if text else place[:100]
    return text


def _bound(kind: str, context: dict[str, Any], param: str, value: object) -> RequestError:
    key, words, code, sign = BOUNDS[kind]
    limit = context[key] if isinstance(context[key], int) else f"{context[key]:g}"
    # A query's values are text; whole numbers have whole bounds.
    whole = isinstance(value, int) or (isinstance(value, str) and isinstance(context[key], int))
    number = "integer" if whole else "decimal"
    return RequestError(
        f"Invalid '{param}': {number} {words}. Expected a value {sign} {limit}, but got {_shown(value)} instead.",
        param=param,
        code=f"{number}_{code}",
    )


def _length(kind: str, context: dict[str, Any], param: str, value: object) -> RequestError:
    noun = "string" if kind.startswith("string") else "array"
    size = len(value) if isinstance(value, str | list | dict) else 0
    if kind.endswith("short"):
        least = context["min_length"]
        return RequestError(
            f"Invalid '{param}': empty {noun}. Expected {'an array' if noun == 'array' else 'a string'} with minimum "
            f"length {least}, but got an empty {noun} instead.",
            param=param,
            code=f"empty_{noun}",
        )
    return RequestError(
        f"Invalid '{param}': {noun} too long. Expected {'an array' if noun == 'array' else 'a string'} with maximum "
        f"length {context['max_length']}, but got one with length {size} instead.",
        param=param,
        code=f"{noun}_above_max_length",
    )


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a decimal"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"'{value[:50]}'"
    if isinstance(value, bool | int | float):
        # A number of thousands of digits is not worth repeating (and Python refuses to print it).
        return str(value) if not isinstance(value, int) or value.bit_length() < 128 else "a huge number"
    return _kind(value)
