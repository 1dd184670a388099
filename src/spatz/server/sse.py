"""Server-sent events, at the price of a few microseconds each: chunks are filled into templates made once per choice.

`EventStream` is the response: it starts with the first chunk (so that an error before it is an ordinary JSON error),
stops the generation when the client goes, keeps a silent stream alive, and tells an error in mid-stream in the API's
shape. It knows nothing of what the chunks mean.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from spatz.errors import RequestError
from spatz.server.json_response import dumps

__all__ = ["DONE", "EventStream", "event", "quote", "wait_for_disconnect"]

DONE = b"data: [DONE]\n\n"
BEAT = b": still working\n\n"

# The C routine behind json.dumps for one string; called directly it costs a fifth of dumps.
quote = json.encoder.encode_basestring

logger = logging.getLogger("spatz.server")


def event(data: object) -> bytes:
    return b"data: " + dumps(data) + b"\n\n"


async def wait_for_disconnect(receive: Receive) -> None:
    """Returns when the client has gone. To be called when the body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    media_type = "text/event-stream"

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        heartbeat: float,
        told: Callable[[RequestError], bytes] = lambda error: event(error.body()),
    ) -> None:
        """told: how an error in mid-stream is put."""
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        # A stream has no length.
        self.raw_headers = [item for item in self.raw_headers if item[0] != b"content-length"]
        self._chunks = chunks
        self._heartbeat = heartbeat
        self._told = told
        self._started = False
        self._sent = False  # something was sent since the last beat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pump = asyncio.create_task(self._pump(send))
        gone = asyncio.create_task(wait_for_disconnect(receive))
        try:
            while True:
                done, _ = await asyncio.wait((pump, gone), timeout=self._heartbeat, return_when=asyncio.FIRST_COMPLETED)
                if pump in done:
                    pump.result()
                    return
                if gone in done:
                    return
                if not self._sent:
                    await self._write(send, BEAT)
                self._sent = False
        finally:
            pump.cancel()
            gone.cancel()
            # The generators below the pump must have let go of their slots before the request counts as ended.
            await asyncio.gather(pump, gone, return_exceptions=True)

    async def _pump(self, send: Send) -> None:
        async with aclosing(self._chunks) as chunks:
            try:
                async for chunk in chunks:
                    await self._write(send, chunk)
            except RequestError as error:
                if not self._started:
                    raise
                await self._write(send, self._told(error))
            except Exception:
                if not self._started:
                    raise
                logger.exception("a stream broke off")
                broken = RequestError("The server had an error while processing your request.", type="server_error")
                await self._write(send, self._told(broken))
        if self._started:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send, chunk: bytes) -> None:
        if not self._started:
            self._started = True
            start: Message = {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
            await send(start)
        self._sent = True
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
