"""How large a JSON schema may be, before anything is compiled from it. What it means is the library's business."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from spatz.errors import RequestError

__all__ = ["MAX_SCHEMA_BYTES", "MAX_SCHEMA_DEPTH", "check_bounds"]

MAX_SCHEMA_BYTES = 256 << 10  # as JSON
MAX_SCHEMA_DEPTH = 100
MAX_MULTIPLE = 10_000  # of multipleOf: the library makes an automaton with that many states, a second for 100,000


def check_bounds(schema: Mapping[str, Any]) -> None:
    """Raise RequestError for a schema that is too large, or in which a number would make it so."""
    multiple = 1
    level: list[Any] = [schema]
    depth = 0
    while level:  # by levels and not recursive: what comes in may be as deep as its body is long
        depth += 1
        if depth > 2 * MAX_SCHEMA_DEPTH:  # a schema's properties are a level of their own
            raise _refusal(f"it is nested more than {MAX_SCHEMA_DEPTH} levels deep")
        below: list[Any] = []
        for node in level:
            if isinstance(node, Mapping):
                multiple = math.lcm(multiple, _digits(node.get("multipleOf")))
                if multiple > MAX_MULTIPLE:
                    raise _refusal(
                        f"'multipleOf' asks for {node['multipleOf']}, which, together with the others in the schema, "
                        f"has more than the {len(str(MAX_MULTIPLE)) - 1} digits that are supported"
                    )
                below.extend(node.values())
            elif isinstance(node, list | tuple):
                below.extend(node)
        level = below
    size = len(json.dumps(schema))
    if size > MAX_SCHEMA_BYTES:
        raise _refusal(f"it has {size} characters, which is more than {MAX_SCHEMA_BYTES}")


def _digits(value: object) -> int:
    """A number's digits without leading and trailing zeros; 1 for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return 1
    if isinstance(value, int) and value.bit_length() > 64:
        return MAX_MULTIPLE + 1
    if not math.isfinite(value):
        return 1
    digits = Decimal(str(value)).normalize().as_tuple().digits
    return int("".join(map(str, digits)))


def _refusal(reason: str) -> RequestError:
    return RequestError(f"The JSON schema is not supported: {reason}.", code="invalid_value")
