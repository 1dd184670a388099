"""One line of a batch, run through the app in this process: it gets exactly what its endpoint gives anybody.

There is no network and no key: the scope carries the caller already, and nothing outside of this process can write one.
What it does not do: decide what becomes of the answer (batch_run.py).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json
from starlette.types import ASGIApp, Message, Scope

from spatz.server.batch_lines import Line
from spatz.server.caller import Caller
from spatz.store.batch_tables import Result

__all__ = ["Reply", "call", "failure", "result"]


@dataclass(slots=True)
class Reply:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    @property
    def busy(self) -> bool:
        """The line was not run: too many others, or a server that is stopping. It is not its answer."""
        return self.status in (0, 429, 499, 503)

    @property
    def retry_after(self) -> float:
        value = self.headers.get(b"retry-after", b"")
        return float(value) if value.isdigit() and len(value) < 6 else 0.0


async def call(app: ASGIApp, caller: Caller, batch: str, endpoint: str, body: bytes) -> Reply:
    """The endpoint's answer. Cancelling this ends the request within one step. batch: its id, for the access log."""
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": endpoint,
        "raw_path": endpoint.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ],
        "client": None,
        "server": None,
        "state": {},
        "spatz.caller": caller,
        "spatz.who": {"batch": batch},
    }
    reply = Reply()
    pieces: list[bytes] = []
    unread = True

    async def receive() -> Message:
        nonlocal unread
        if unread:
            unread = False
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.Event().wait()  # this client never goes: it is cancelled
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.lower(): value for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    reply.body = b"".join(pieces)
    return reply


def result(batch: str, line: Line, reply: Reply) -> Result:
    """The line's own line of the output file, or of the error file when it was answered with an error."""
    request_id = reply.headers.get(b"x-request-id", b"").decode("latin-1")
    try:
        body = from_json(reply.body)
    except ValueError:
        body, text = None, to_json(reply.body.decode("utf-8", "replace"))
    else:
        text = reply.body.replace(b"\n", b" ")  # in JSON they can only stand between values
    output = b'{"id":%b,"custom_id":%b,"response":{"status_code":%d,"request_id":%b,"body":%b},"error":null}' % (
        to_json(_line_id(batch, line.number)),
        to_json(line.custom_id),
        reply.status,
        to_json(request_id),
        text,
    )
    return Result(line.number, reply.status == 200, output, *_usage(body))


def failure(batch: str, line: Line, code: str, message: str) -> Result:
    """For a line that was never answered."""
    entry = {
        "id": _line_id(batch, line.number),
        "custom_id": line.custom_id,
        "response": None,
        "error": {"code": code, "message": message},
    }
    return Result(line.number, False, to_json(entry))


def _line_id(batch: str, number: int) -> str:
    return f"batch_req_{batch.removeprefix('batch_')}{number:06d}"


def _usage(body: Any) -> tuple[int, int, int]:
    """(input, cached, output) tokens, as chat and completions or as responses tell them."""
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return 0, 0, 0
    given, made = ("input", "output") if "input_tokens" in usage else ("prompt", "completion")
    details = usage.get(f"{given}_tokens_details") or {}
    return usage[f"{given}_tokens"], details.get("cached_tokens", 0), usage[f"{made}_tokens"]
