"""Running the app: uvicorn with our way of stopping.

The first SIGTERM or SIGINT closes the door (new requests are answered 503) and lets running answers end, for as long as
the settings allow; the second stops at once. uvicorn alone would close its sockets first, and clients would see refused
connections instead of an answer.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from spatz.config import Settings
from spatz.errors import ConfigError
from spatz.server.auth import check_binding, is_loopback, stored_keys
from spatz.server.connection import Connection
from spatz.server.state import State

__all__ = ["Server", "bind", "serve_app"]

logger = logging.getLogger("spatz.server")


def bind(settings: Settings) -> socket.socket:
    """A listening socket, before the model is loaded: a port that is taken should not cost a minute to find out."""
    if not is_loopback(settings.host):
        check_binding(settings.host, settings.api_key or stored_keys(settings))
    host = settings.host.strip("[]")
    try:
        found = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot listen on {settings.host}:{settings.port}: {reason}") from None
    return listener


class Server(uvicorn.Server):
    def __init__(self, app: FastAPI, settings: Settings, started: Callable[[], None] | None = None) -> None:
        connection: Any = partial(Connection, seconds=settings.request_seconds)
        config = uvicorn.Config(
            app,
            http=connection,
            log_config=None,
            access_log=False,  # the gate has its own, with ids
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            ws="none",
            timeout_keep_alive=75,  # longer than the idle time of common clients' pools
            timeout_graceful_shutdown=5,  # the drain has ended or failed all answers: they have to be sent, no more
            h11_max_incomplete_event_size=65_536,
        )
        super().__init__(config)
        self.caught: int | None = None
        self._state: State = app.state.spatz
        self._drain_seconds = settings.drain_seconds
        self._on_start = started
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started and self._on_start is not None:
            self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would raise the signal again at its end; that the server was asked to stop is no failure.
        if self._loop is None:
            self.should_exit = True
        else:
            self._loop.call_soon_threadsafe(self.stop, sig)

    def stop(self, sig: int = signal.SIGTERM) -> None:
        """As a signal does it. To be called in the loop."""
        if self.caught is not None:
            logger.warning("stopping at once")
            self.force_exit = self.should_exit = True
            if self._draining is not None:
                self._draining.cancel()
            for connection in list(self.server_state.connections):
                connection.transport.abort()  # each request learns that its client has gone
            return
        self.caught = sig
        self._state.draining = True
        logger.info("stopping: running answers may end, for up to %g s", self._drain_seconds)
        self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        try:
            await self._state.model.drain(self._drain_seconds)
        except Exception:
            logger.exception("draining failed")
        finally:
            self.should_exit = True


def serve_app(app: FastAPI, settings: Settings, listener: socket.socket, started: Callable[[], None]) -> int | None:
    """Serve until a signal says stop; gives the signal's number."""
    server = Server(app, settings, started)
    server.run(sockets=[listener])
    return server.caught
