"""Leave for web pages of other origins (CORS): off unless the operator names origins.

It wraps the gate: a browser's question before a call carries no key, and an answer of the gate must be readable for the
page, too.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from spatz.errors import RequestError
from spatz.server.json_response import JsonResponse

__all__ = ["EXPOSED", "Cors"]

EXPOSED = (
    "openai-processing-ms",
    "openai-version",
    "retry-after",
    *(f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset") for kind in ("requests", "tokens")),
    "x-request-id",
    "x-spatz-context",
)


class Cors(CORSMiddleware):
    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=list(EXPOSED),
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code >= 400:
            what = bytes(answer.body).decode("utf-8", "replace")
            error = RequestError(f"{what}. Add the origin to cors_origins.", code="origin_not_allowed")
            kept = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
            answer = JsonResponse(error.body(), answer.status_code, headers=kept)
        answer.headers["x-request-id"] = "req_" + secrets.token_hex(16)
        return answer
