"""The body of one request on its way in: bounded in size and in time, and read to its end where that is cheap.

The gate puts it between the server and the routes. A client that sends too slowly gets a 408, one that sends too much a
413. What a route did not want to read is read and thrown away, if it is little; else the connection is closed after the
answer, but not before the client had a chance to see it: a connection that is closed while data arrives is reset, and
the answer is lost.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.types import Message, Receive

from spatz.config import Settings
from spatz.errors import OverloadedError, RequestError

__all__ = ["UPLOAD_PATHS", "Body", "LargeBodies", "body_limit", "whole_body"]

# What may have images and files in it, as text.
INPUT_PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/conversations")
UPLOAD_PATHS = frozenset({"/v1/files"})

LITTLE = 1 << 20  # bytes that are read before the answer, to keep the connection
MUCH = 64 << 20  # bytes that are read after the answer, before the connection is closed all the same
DRAIN_SECONDS = 2.0
LEAST_RATE = 65_536  # bytes a second: what a large upload needs more time for


def body_limit(settings: Settings, path: str) -> int:
    """Bytes. Where a message may hold an image or a file, the largest of them fits in beside a whole text."""
    if path in UPLOAD_PATHS:
        return settings.max_upload_mb << 20
    text = settings.max_body_mb << 20
    return text + -(-(settings.input_mb << 20) * 4 // 3) if path.startswith(INPUT_PATHS) else text


async def whole_body(request: Request) -> bytes:
    """Read once, and not kept with the request, which may be answered for minutes."""
    return b"".join([chunk async for chunk in request.stream()])


class LargeBodies:
    """How many large bodies are under way: each lies in memory, more than once while it is read."""

    def __init__(self, least: int, most: int) -> None:
        """least: bytes from which on one is large."""
        self.least = least
        self.most = most
        self.under_way = 0


class Body:
    def __init__(
        self, headers: dict[bytes, bytes], receive: Receive, *, most: int, seconds: float, large: LargeBodies
    ) -> None:
        """most: bytes. seconds: how long the body may take, and longer only as it arrives at LEAST_RATE."""
        self.most = most
        self._large = large
        self._counted = False
        self._receive = receive
        self._seconds = seconds
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._read = 0
        self._length = _length(headers)
        self._waits = b"expect" in headers  # the client sends its body only when it is asked for
        self._gone = False
        self.complete = self._length == 0
        self.failed = False  # too much, or too late: nothing more is taken

    def check_length(self) -> None:
        """Raises RequestError for a body that says itself that it is too large, or one of too many large ones."""
        if self._length is not None and self._length > self.most:
            raise self._too_large()
        self._count(self._length or 0)

    def release(self) -> None:
        """What it was made of lies in memory no more."""
        if self._counted:
            self._counted = False
            self._large.under_way -= 1

    def _count(self, size: int) -> None:
        large = self._large
        if self._counted or size <= large.least:
            return
        if large.under_way >= large.most:
            self.failed = True
            raise OverloadedError("Too many large requests are under way. Please try again later.")
        large.under_way += 1
        self._counted = True

    async def receive(self) -> Message:
        if self.complete:
            return await self._receive()  # it only waits for the client to go
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self.failed = True
            raise RequestError(
                "The body of the request arrived too slowly.",
                status=408,
                code="request_timeout",
            ) from None
        if message["type"] != "http.request":
            self._gone = True
            return message
        arrived = len(message.get("body", b""))
        self._read += arrived
        self._deadline += arrived / LEAST_RATE
        self.complete = not message.get("more_body", False)
        if self._read > self.most:
            self.failed = True
            raise self._too_large()
        self._count(self._read)
        return message

    async def settle(self) -> bool:
        """Before an answer begins: whether the connection can be kept. What is left of a small body is thrown away."""
        if not self.complete and not self._waits and not self.failed and self._length is not None:
            await self._drain(LITTLE, self._length)
        return self.complete

    async def linger(self) -> None:
        """After an answer, where the connection is to be closed."""
        if not self.complete and not self._waits:
            await self._drain(MUCH, 0)

    async def _drain(self, most: int, expected: int) -> None:
        if expected > most:
            return
        try:
            async with asyncio.timeout(min(DRAIN_SECONDS, self._seconds)):
                while not self.complete and not self._gone and most > 0:
                    message = await self._receive()
                    self._gone = message["type"] != "http.request"
                    self.complete = not self._gone and not message.get("more_body", False)
                    most -= len(message.get("body", b""))
        except TimeoutError:
            pass

    def _too_large(self) -> RequestError:
        return RequestError(
            f"The body of the request is larger than the limit of {self.most} bytes.",
            status=413,
            code="request_too_large",
        )


def _length(headers: dict[bytes, bytes]) -> int | None:
    """None where it is not known; more than any limit where it is nonsense."""
    if b"transfer-encoding" in headers:
        return None
    text = headers.get(b"content-length", b"0")
    return int(text) if text.isdigit() and len(text) <= 18 else 1 << 62
