"""JSON answers, written by orjson: what all routes answer with, but for streams and files.

orjson refuses what json writes all the same (whole numbers beyond 64 bits, nesting beyond 254), so those few values go
to json. Both write UTF-8 without spaces; floats read back as the same numbers from both.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
from starlette.responses import Response

__all__ = ["JsonResponse", "dumps"]


def dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        # Escaped where not ASCII: half of a surrogate pair has no bytes in UTF-8.
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


class JsonResponse(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return dumps(content)
