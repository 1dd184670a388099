"""The API's metadata: up to 16 texts by name, which stored objects carry and are found by."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from spatz.server.fields import problem

__all__ = ["Metadata"]

PAIRS = 16
LONGEST_KEY = 64
LONGEST_VALUE = 512


def _check(value: dict[str, str]) -> dict[str, str]:
    if len(value) > PAIRS:
        raise problem(
            "object_above_max_properties",
            f"Invalid '{{param}}': too many properties. Expected an object with at most {PAIRS} properties, but got an "
            f"object with {len(value)} properties instead.",
        )
    for key in value:
        if not key or len(key) > LONGEST_KEY:
            raise problem(
                "invalid_property_name",
                f"Invalid '{{param}}': a property name of {len(key)} characters. Expected 1 to {LONGEST_KEY}.",
            )
        if "\x00" in key or "\x00" in value[key]:
            raise problem("invalid_value", "Invalid '{param}': the character U+0000 is not allowed.")
    return value


Metadata = Annotated[
    dict[str, Annotated[str, Field(max_length=LONGEST_VALUE)]],
    AfterValidator(_check),
    Field(
        json_schema_extra={
            "maxProperties": PAIRS,
            "propertyNames": {"minLength": 1, "maxLength": LONGEST_KEY},
        }
    ),
]
