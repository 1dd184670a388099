"""Processes that read images and files beside the engine: a few of them, started when they are needed.

What they read is not trusted, and their libraries are large and in C: one that crashes, takes too long or is not
wanted any more is killed, which costs its part an error and nobody else anything. The one that waits for work for long
is ended. A pool belongs to an event loop. It keeps no results (cache.py does).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from spatz.errors import OverloadedError
from spatz.inputs.document import Document, InputError, ReadOptions
from spatz.inputs.reading import Accept, Progress
from spatz.inputs.wire import (
    DATA,
    DOCUMENT,
    ERROR,
    FAILURE,
    HEADER,
    LAST,
    PROGRESS,
    REQUEST,
    WireError,
    decode_document,
    decode_error,
    encode_options,
    frame,
)

__all__ = ["ReaderPool"]

PIECE = 1 << 20  # bytes that are sent at once
IDLE_SECONDS = 300.0
# What the processes are told of the environment: no keys, no addresses of databases.
PASSED = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "TMPDIR",
    "TZ",
    "VIRTUAL_ENV",
)

BROKEN = "It could not be read: it is damaged, or the reader knows no such content."

logger = logging.getLogger("spatz.inputs")


class ReaderPool:
    def __init__(
        self,
        *,
        workers: int = 2,
        seconds: float = 300.0,
        memory_mb: int = 4096,
        most_waiting: int = 64,
        idle_seconds: float = IDLE_SECONDS,
        command: Sequence[str] = (sys.executable, "-P", "-m", "spatz.inputs.worker"),
    ) -> None:
        """seconds: that one part may take, without its time in the queue. most_waiting: parts; one more is refused.

        command: what is run; it gets memory_mb as an argument.
        """
        self._command = (*command, str(memory_mb))
        self._seconds = seconds
        self._most_waiting = most_waiting
        self._idle_seconds = idle_seconds
        self._free = workers  # that may be started or taken up
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    @property
    def running(self) -> int:
        """Processes."""
        return len(self._workers)

    @property
    def processes(self) -> list[int]:
        """Their ids."""
        return [worker.pid for worker in self._workers]

    async def read(self, data: bytes, options: ReadOptions, kind: Accept, progress: Progress | None = None) -> Document:
        """Raises InputError for what cannot be read, OverloadedError where too many parts wait. Cancelling it ends the
        reading at once.
        """
        await self._turn()
        worker: _Worker | None = None
        try:
            worker = self._awake() or await self._start()
            async with asyncio.timeout(self._seconds):
                document = await worker.read(data, options, kind, progress)
        except TimeoutError:
            raise InputError(
                f"Reading it took longer than the {self._seconds:g} seconds that this server allows.",
                code="input_timeout",
            ) from None
        except (_Ended, WireError, OSError) as error:
            logger.warning("a process that reads inputs failed (%s)", error)
            raise InputError(BROKEN) from None
        finally:
            self._give_back(worker)
        return document

    async def close(self) -> None:
        """Ends all processes."""
        self._closed = True
        await asyncio.gather(*(worker.kill() for worker in list(self._workers)))
        self._workers.clear()
        self._idle.clear()

    async def _turn(self) -> None:
        if self._closed:
            raise OverloadedError("The server is shutting down.", status=503)
        if self._free:
            self._free -= 1
            return
        if len(self._waiting) >= self._most_waiting:
            raise OverloadedError("Too many images and files are waiting to be read. Please try again later.")
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()  # it was this one's turn already
            raise

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _awake(self) -> _Worker | None:
        """One that waits for work. Those that somebody else has ended meanwhile are forgotten."""
        while self._idle:
            worker = self._idle.pop()
            worker.wake()
            if worker.alive:
                return worker
            self._end(worker)
        return None

    async def _start(self) -> _Worker:
        environment = {name: os.environ[name] for name in PASSED if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=environment,
            start_new_session=True,  # a Ctrl-C is for the server, which ends them in its time
        )
        worker = _Worker(process)
        self._workers.add(worker)
        return worker

    def _give_back(self, worker: _Worker | None) -> None:
        if worker is not None:
            if worker.usable and not self._closed:
                self._idle.append(worker)
                worker.sleep(self._idle_seconds, self._end)
            else:
                self._end(worker)
        self._next()

    def _end(self, worker: _Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
        if worker in self._workers:
            worker.ending = asyncio.ensure_future(self._ended(worker))

    async def _ended(self, worker: _Worker) -> None:
        await worker.kill()
        self._workers.discard(worker)


class _Ended(Exception):
    """The process has gone."""


class _Worker:
    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid
        self._timer: asyncio.TimerHandle | None = None
        self.usable = True  # it waits for work; False: nobody knows what it does
        self.ending: asyncio.Future[None] | None = None

    @property
    def alive(self) -> bool:
        """asyncio may learn of an end later than this has to know."""
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    async def read(self, data: bytes, options: ReadOptions, kind: Accept, progress: Progress | None) -> Document:
        self.usable = False
        most = 8 * options.max_text + (1 << 20)  # bytes of an answer: JSON may write a character as six, or twelve
        await self._send(frame(REQUEST, encode_options(options, kind)))
        await self._send(HEADER.pack(DATA, len(data)))
        view = memoryview(data)
        for start in range(0, len(data), PIECE):
            await self._send(view[start : start + PIECE])
        while True:
            found, answer = await self._receive(most)
            if found != PROGRESS:
                break
            if progress is not None:
                progress(*_pages(answer))
        if found == DOCUMENT:
            document = (
                decode_document(answer) if len(answer) < PIECE else await asyncio.to_thread(decode_document, answer)
            )
            self.usable = True
            return document
        if found in (ERROR, LAST):
            error = decode_error(answer)
            self.usable = found == ERROR
            raise error
        if found == FAILURE:
            logger.error("an input could not be read:\n%s", answer.decode("utf-8", "replace"))
            self.usable = True
            raise InputError(BROKEN)
        raise WireError(f"a frame of type {found}")

    def wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sleep(self, seconds: float, end: object) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, end, self)  # type: ignore[arg-type]

    async def kill(self) -> None:
        self.wake()
        self.usable = False
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def _send(self, data: bytes | memoryview) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise _Ended("it ended while it was asked") from None

    async def _receive(self, most: int) -> tuple[int, bytes]:
        assert self._process.stdout is not None
        try:
            kind, size = HEADER.unpack(await self._process.stdout.readexactly(HEADER.size))
            if size > most:
                raise WireError(f"a frame of {size} bytes")
            return kind, await self._process.stdout.readexactly(size)
        except asyncio.IncompleteReadError:
            await self._process.wait()
            raise _Ended(f"it ended with {self._process.returncode}") from None


def _pages(data: bytes) -> tuple[int, int]:
    try:
        done, total = json.loads(data)
        return int(done), int(total)
    except (ValueError, TypeError, RecursionError):
        raise WireError("progress") from None
