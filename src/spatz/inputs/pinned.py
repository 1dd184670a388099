"""Connections to addresses that have been checked, and to no others: what httpcore connects through in fetch.py.

A name is resolved once, all of its addresses are checked, and one of these is connected to. So no second answer of a
name server can lead elsewhere. TLS is none of its business: httpcore compares the certificate with the host's name.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpcore

from spatz.inputs.address import AllowedHosts, is_public

__all__ = ["PinnedNetwork", "Resolve", "Resolver"]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) -> addresses as text. Raises OSError."""

MAX_ADDRESSES = 3  # that are tried, one after another

logger = logging.getLogger("spatz.inputs")


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Connections to checked addresses only. There is no way around it: httpcore connects through this alone."""

    def __init__(
        self, allowed: AllowedHosts, resolve: Resolve, network: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._network = network or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        trusted = self._allowed.covers(host, port)
        try:
            addresses = list(dict.fromkeys(await self._resolve(host, port)))
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the name does not resolve") from None
        # All of them: a name that has a public and a private address is a trick or a mistake.
        if not trusted and not all(map(is_public, addresses)):
            raise httpcore.ConnectError("not every address is public")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                stream = await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                logger.info("connecting to %s failed: %s", host, error or type(error).__name__)
                continue
            if trusted or not _is_own(stream):
                return stream
            await stream.aclose()
            raise httpcore.ConnectError("it is this machine")
        raise httpcore.ConnectError("no address answers")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class Resolver:
    """The system's, in threads of its own: a name server that never answers must not hold up what else uses threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="spatz-resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return [str(entry[4][0]) for entry in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[tuple[object, object, object, object, tuple[object, ...]]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)  # type: ignore[return-value]


def _is_own(stream: httpcore.AsyncNetworkStream) -> bool:
    """Whether the connection ends at this machine's own public address, where what listens may trust it."""
    ends = [stream.get_extra_info(name) for name in ("client_addr", "server_addr")]
    return None not in ends and ends[0][0] == ends[1][0]
