"""JSON and text files of a model folder: bounded in size and depth, one error for everything that can be wrong.

Under the safetensors reader, the architectures and the loader. It knows no key of any of these files.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from spatz.errors import WeightsError
from spatz.weights.mapping import open_regular

__all__ = ["parse_object", "read_bytes", "read_object"]

MAX_CONFIG_BYTES = 4 << 20


def read_bytes(path: Path, limit: int = MAX_CONFIG_BYTES) -> bytes:
    """The content of a regular file of at most limit bytes. Raises WeightsError."""
    fd, size = open_regular(path)
    with os.fdopen(fd, "rb") as file:
        if size > limit:
            raise WeightsError(f"{path.name} has {size} bytes, more than the {limit} that are sane")
        return file.read(limit)


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object whose keys are all different. Raises WeightsError with what in front."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_distinct)
    except UnicodeDecodeError:
        raise WeightsError(f"{what} is not valid UTF-8") from None
    except RecursionError:
        raise WeightsError(f"{what} is nested too deeply") from None
    except ValueError as error:  # also JSONDecodeError, and integers of thousands of digits
        raise WeightsError(f"{what} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise WeightsError(f"{what} is not a JSON object")
    return value


def read_object(path: Path, limit: int = MAX_CONFIG_BYTES) -> dict[str, Any]:
    return parse_object(read_bytes(path, limit), path.name)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:80]!r} appears twice")
            seen.add(key)
    return result
