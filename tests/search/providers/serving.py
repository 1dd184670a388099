"""A JSON API on 127.0.0.1 that answers with what a test gives it, in turn, and notes what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from inputs.asking import answer


@dataclass(frozen=True)
class Asked:
    method: str
    target: str  # as it stands in the request: absolute when a proxy is asked
    headers: dict[str, str]  # names in lower case
    body: Any  # of its JSON; the text of a form

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass
class Api:
    port: int = 0
    answers: list[bytes | None] = field(default_factory=list)  # the last one is given again and again; None: silence
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def gives(self, *bodies: Any) -> None:
        self.answers = [sent(body) for body in bodies]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            data = await reader.readexactly(int(headers.get("content-length", "0")))
            method, target, _ = lines[0].split(" ")
            is_json = headers.get("content-type") == "application/json"
            self.asked.append(Asked(method, target, headers, json.loads(data) if is_json else data.decode()))
            reply = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if reply is None:
                await reader.read()  # until whoever asked gives up
            else:
                writer.write(reply)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked gave up, which is what some tests want
        finally:
            writer.close()


def sent(body: Any, *headers: str, status: str = "200 OK") -> bytes:
    return answer(json.dumps(body).encode(), *headers, status=status, kind="application/json")


@asynccontextmanager
async def api() -> AsyncIterator[Api]:
    served = Api()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    async with server:
        yield served
