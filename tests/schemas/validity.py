"""Does a text satisfy a schema, as `jsonschema` sees it? Numbers are exact, formats checked, dialects the schema's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

__all__ = ["problem"]

formats = FormatChecker()
_OFFSET = r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
_CLOCK = rf"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?{_OFFSET}"
# What jsonschema checks only beside packages that are not there.
_EXPRESSIONS = {
    "time": _CLOCK,
    "duration": r"P(?=.)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?)",
    "hostname": r"(?!.{254})(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*",
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*",
}


@formats.checks("date-time")
def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    formats.check(value[:10], "date")
    return value[10:11] == "T" and re.fullmatch(_CLOCK, value[11:]) is not None


def _add(name: str, expression: str) -> None:
    formats.checks(name)(lambda value: not isinstance(value, str) or re.fullmatch(expression, value) is not None)


for _name, _expression in _EXPRESSIONS.items():
    _add(_name, _expression)


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more than 18 digits, which JSON allows
        return Decimal("Infinity")


def _multiple_of(validator: Any, step: Decimal, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "number"):
        return
    try:
        rest = value % step
    except InvalidOperation:  # 1e5000: no schema with multipleOf makes such, but one beside it may
        rest = None
    if rest != 0:
        yield ValidationError(f"{value} is not a multiple of {step}")


def problem(schema: Any, text: str) -> str | None:
    """None where it does; else what is wrong."""
    try:
        value = json.loads(text, parse_float=_exact)
    except ValueError as error:
        return f"not JSON: {error}"
    exact = json.loads(json.dumps(schema), parse_float=_exact)
    kind = validators.extend(
        validators.validator_for(exact, default=Draft202012Validator), {"multipleOf": _multiple_of}
    )
    with localcontext(prec=5000):  # a multiple of 0.01 with a thousand digits is one, too
        found = next(kind(exact, format_checker=formats).iter_errors(value), None)
    return None if found is None else f"{found.json_path}: {found.message[:300]}"
