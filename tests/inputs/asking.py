"""A web server on 127.0.0.1 that answers with what a test gives it, and a network in which names lead to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpcore

from spatz.inputs.fetch import Fetcher, FetchPolicy

PEM = Path(__file__).parent / "tls" / "pictures.test.pem"  # made for these tests: trusted nowhere, for *.test names
TRUST = ssl.create_default_context(cafile=str(PEM))
PUBLIC = "93.184.215.14"

Handler = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes = b"hello", *headers: str, status: str = "200 OK", kind: str = "text/plain") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(b"", f"Location: {location}", status=status)


@dataclass
class Web:
    """pages: path -> an answer's bytes, or what writes them."""

    port: int = 0
    tls_port: int = 0
    pages: dict[str, bytes | Handler] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # heads of requests

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            page = self.pages.get(head.split()[1], answer(b"", status="404 Not Found"))
            if isinstance(page, bytes):
                writer.write(page)
            else:
                await page(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the fetch gave up, which is what many tests want
        finally:
            writer.close()

    def local(self, path: str) -> str:
        return f"http://web.test:{self.port}{path}"


@asynccontextmanager
async def web() -> AsyncIterator[Web]:
    served = Web()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    plain = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    tls = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=context)
    served.port = plain.sockets[0].getsockname()[1]
    served.tls_port = tls.sockets[0].getsockname()[1]
    async with plain, tls:
        yield served


@dataclass
class Names:
    """A resolver. Several answers to a name are given one after another: rebinding."""

    addresses: dict[str, list[list[str]]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self.addresses.get(host)
        if not answers:
            raise OSError("unknown name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Network(httpcore.AsyncNetworkBackend):
    """Where public addresses are, for tests: all of them are the server on 127.0.0.1. Notes what was connected to."""

    def __init__(self, served: Web, silent: Iterable[str] = ()) -> None:
        self.served = served
        self.silent = frozenset(silent)
        self.connected: list[str] = []

    async def connect_tcp(self, host: str, port: int, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append(f"{host}:{port}")
        if host in self.silent:
            raise httpcore.ConnectError("refused")
        here = self.served.tls_port if port == 443 else self.served.port
        return Elsewhere(await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", here, *args, **more))


class Elsewhere(httpcore.AsyncNetworkStream):
    """A stream that does not say that its other end is this machine."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self.stream = stream
        self.read, self.write, self.aclose = stream.read, stream.write, stream.aclose  # type: ignore[method-assign]

    async def start_tls(self, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        return Elsewhere(await self.stream.start_tls(*args, **more))

    def get_extra_info(self, info: str) -> Any:
        return None if info in ("client_addr", "server_addr") else self.stream.get_extra_info(info)


def local_fetcher(served: Web, **policy: Any) -> Fetcher:
    """May ask web.test, which is 127.0.0.1, because the operator allows it."""
    names = Names({"web.test": [["127.0.0.1"]]})
    return Fetcher(FetchPolicy(hosts=(f"web.test:{served.port}",), **policy), resolve=names, tls=TRUST)


def public_fetcher(network: Network, names: Names, **policy: Any) -> Fetcher:
    return Fetcher(FetchPolicy(**policy), resolve=names, network=network, tls=TRUST)
