"""The gate that every request passes, as plain ASGI: id, key, size, limits, and errors in the API's shape.

It wraps the routes and is wrapped by CORS alone. It adds the headers that every answer has, counts and logs the
request, and is where an unexpected exception ends: the client learns the request's id, the log gets the trace.
"""

from __future__ import annotations

import logging
import math
import secrets
from time import perf_counter
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spatz.errors import RateLimitError, RequestError
from spatz.server.auth import Auth
from spatz.server.body import UPLOAD_PATHS, Body, LargeBodies, body_limit
from spatz.server.caller import Caller
from spatz.server.context import HEADER
from spatz.server.generate import stopping
from spatz.server.json_response import JsonResponse
from spatz.server.limits import Ticket
from spatz.server.refusals import refusal
from spatz.server.state import State

__all__ = ["Gate", "error_response", "identify", "request_id"]

API_VERSION = "2020-10-01"
OPEN_PATHS = frozenset({"/healthz"})
# What runs the model, and is what limits are about.
LIMITED_PATHS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses"})
LARGE_BODIES = 4  # that are in memory at once: those with images and files in them

access = logging.getLogger("spatz.access")
logger = logging.getLogger("spatz.server")


def error_response(error: RequestError) -> Response:
    headers = {}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None or error.status == 503:
        headers["retry-after"] = str(max(1, math.ceil(retry_after or 1)))
    elif isinstance(error, RateLimitError):
        headers["x-should-retry"] = "false"  # what the API's own clients heed: it would be refused each time
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JsonResponse(error.body(), error.status, headers=headers)


def request_id(request: Request) -> str:
    value: str = request.scope["spatz.id"]
    return value


def identify(request: Request, **who: str | None) -> None:
    """What the client says of its end user, for the access log: the operator's means against abuse."""
    request.scope.setdefault("spatz.who", {}).update({key: value for key, value in who.items() if value})


class Gate:
    def __init__(self, app: ASGIApp, state: State, auth: Auth) -> None:
        self._app = app
        self._state = state
        self._auth = auth
        self._large = LargeBodies(state.settings.max_body_mb << 20, LARGE_BODIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        await _Passage(self, scope, receive, send).run()


class _Passage:
    """One request on its way through the gate."""

    def __init__(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        self._gate = gate
        self._scope = scope
        self._receive = receive
        self._send = send
        self._start = perf_counter()
        self._status = 0
        headers = dict(scope["headers"])
        settings = gate._state.settings
        most = body_limit(settings, scope["path"])
        # An upload is written to the disk as it comes.
        large = LargeBodies(most, 1) if scope["path"] in UPLOAD_PATHS else gate._large
        self._body = Body(headers, receive, most=most, seconds=settings.request_seconds, large=large)
        self._headers = headers
        self._limited: Caller | None = None  # whose limits the answer tells
        self._ticket: Ticket | None = None
        self._id = "req_" + secrets.token_hex(16)
        scope["spatz.id"] = self._id

    async def run(self) -> None:
        try:
            await self._admit()
            await self._gate._app(self._scope, self._body.receive, self._stamped_send)
        except RequestError as error:
            await self._fail(error)
        except ClientDisconnect:
            pass  # in the middle of the body: there is nobody to tell
        except Exception:
            logger.exception("request %s failed", self._id)
            await self._fail(
                RequestError(
                    f"The server had an error while processing your request (request id {self._id}).",
                    status=500,
                    type="server_error",
                )
            )
        finally:
            if self._ticket is not None:
                self._ticket.release()
            self._body.release()
            self._record()

    async def _admit(self) -> None:
        headers = self._headers
        path = self._scope["path"]
        # A browser asks before it calls (CORS); such a question carries no key and is answered outside of the gate.
        # Lines of a batch come with the caller that they run for; nothing outside of this process can write a scope.
        if "spatz.caller" not in self._scope:
            caller = Caller() if path in OPEN_PATHS else await self._gate._auth.check(headers)
            self._scope["spatz.caller"] = caller
        if self._scope["method"] != "POST":
            return
        if self._gate._state.draining:
            raise stopping()
        missing = refusal("POST", path)
        if missing is not None:  # before the content type, which differs for sound and pictures
            raise missing
        # Not application/json: a page of any origin may send that without being asked for permission.
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        # A POST without a body (to cancel something) need not have a type.
        bodiless = headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers
        allowed = b"multipart/form-data" if path in UPLOAD_PATHS else b"application/json"
        if kind != allowed and not (bodiless and not kind):
            shown = kind.decode("latin-1")[:100]
            raise RequestError(
                f"Unsupported content type: '{shown}'. Send the body as "
                f"'{'multipart/form-data' if path in UPLOAD_PATHS else 'application/json'}'.",
                status=415,
                code="unsupported_content_type",
            )
        self._body.check_length()
        if path in LIMITED_PATHS:
            self._limited = self._scope["spatz.caller"]
            self._ticket = self._scope["spatz.ticket"] = self._gate._state.limiter.admit(self._limited)

    async def _stamped_send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._body.release()  # before an answer begins, its images and files have become text
            elapsed = int((perf_counter() - self._start) * 1000)
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self._id.encode()),
                (b"openai-processing-ms", str(elapsed).encode()),
                (b"openai-version", API_VERSION.encode()),
            ]
            meter = self._scope.get("spatz.meter")
            if meter is not None and meter.context is not None and self._status < 400:
                message["headers"].append((HEADER, meter.context.encode()))
            if self._limited is not None:
                message["headers"] += self._gate._state.limiter.headers(self._limited)
            if not await self._body.settle():
                message["headers"].append((b"connection", b"close"))
        elif not message.get("more_body", False) and not self._body.complete:
            await self._send({**message, "more_body": True})
            await self._body.linger()
            message = {**message, "body": b""}
        await self._send(message)

    async def _fail(self, error: RequestError) -> None:
        if self._status:  # the answer has begun; its own writer has told what could be told
            return
        await error_response(error)(self._scope, self._receive, self._stamped_send)

    def _record(self) -> None:
        route: Any = self._scope.get("route")
        seconds = perf_counter() - self._start
        status = self._status or 499
        # Unknown paths are one label: a client could fill the memory with names otherwise.
        self._gate._state.metrics.finished(getattr(route, "path", "other"), status, seconds)
        if access.isEnabledFor(logging.INFO):
            who = "".join(f" {key}={value[:64]!r}" for key, value in self._scope.get("spatz.who", {}).items())
            method, path = self._scope["method"], self._scope["path"][:200]
            access.info("%s %r %d %.0f ms %s%s", method, path, status, seconds * 1000, self._id, who)
