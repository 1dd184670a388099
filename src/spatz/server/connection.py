"""One connection of uvicorn's, with limits on those who take their time, and its own errors in the API's shape.

uvicorn waits for ever for the rest of a request's head, and for a client that does not read its answer; both hold a
connection, the second an answer, too. The body's time is the gate's business (body.py).
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from spatz.errors import RequestError
from spatz.server.json_response import dumps

__all__ = ["Connection"]

REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class Connection(H11Protocol):
    def __init__(self, *arguments: Any, seconds: float, **named: Any) -> None:
        """seconds: for the head of a request, and between two pieces of an answer that the client takes."""
        super().__init__(*arguments, **named)
        self._seconds = seconds
        self._waiting: asyncio.TimerHandle | None = None  # for the head
        self._stalled: asyncio.TimerHandle | None = None  # the client does not read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        if self._stalled is None:
            self._stalled = self.loop.call_later(self._seconds, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls it while it handles h11's error."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == 431:
            self._refuse(431, "The head of the request is too large.", "request_header_fields_too_large")
        else:
            self._refuse(400, msg, "invalid_request")

    def _watch(self) -> None:
        """A head that has begun has to end; between requests, uvicorn's own timer runs."""
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE or not self.conn.trailing_data[0]:
            self._wait_no_more()
        else:
            self._wait()

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self._seconds, self._late)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _late(self) -> None:
        self._waiting = None
        if self.conn.trailing_data[0]:
            self._refuse(408, "The head of the request arrived too slowly.", "request_timeout")
        else:
            self.transport.close()  # it has asked for nothing

    def _refuse(self, status: int, message: str, code: str) -> None:
        answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if answering or self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()  # in the middle of an answer there is no place for another
            return
        body = dumps(RequestError(message, code=code).body())
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"x-request-id", b"req_" + secrets.token_hex(16).encode()),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers, reason=REASONS.get(status, b"")),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
