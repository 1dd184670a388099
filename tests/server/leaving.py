"""A client that goes away in the midst of a request, over a real socket."""

from __future__ import annotations

import asyncio
import json

from server.conftest import WAIT, Live
from server.fake import FakeModel

__all__ = ["leave"]


async def leave(live: Live, model: FakeModel, path: str, body: dict[str, object], *, read: bool, begun: bool) -> None:
    """Asks and goes, before the answer or (begun) within it, having read of it or not. The slot has to be free then."""
    model.held = True
    data = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(live.url.rpartition(":")[2]))
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    async with asyncio.timeout(WAIT):
        stream = await model.streams.get()
        if begun:
            stream.put("Hel")
            if read:
                await reader.readuntil(b"Hel")
        writer.close()
        await stream.closed.wait()
    assert not model.open
