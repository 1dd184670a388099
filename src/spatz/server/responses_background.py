"""Responses that run without a client: queued at once, answered when there is room, read and cancelled at any time.

A service of the app. Some run at a time, a bounded number waits; more are refused. Each has a log of its events, which
any number of streams read from any place. What another process left behind unfinished, because it was killed, is
marked as failed at the start: nothing is run twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self

import orjson
from sqlalchemy import Connection

from spatz.errors import OverloadedError, RequestError
from spatz.server.responses_answer import dump, end, failure
from spatz.server.responses_run import DAY, Job, expiry, keep, run, stored_items
from spatz.server.responses_stream import ResponseWriter, split_events
from spatz.server.state import State
from spatz.store import responses
from spatz.store.responses import Stored

__all__ = ["Background", "Running", "stored_events"]

# How much smaller events get: they are the same words over and over. The level hardly matters, its time does.
COMPRESSION = 1

logger = logging.getLogger("spatz.server")


def stored_events(data: bytes) -> list[bytes]:
    return split_events(zlib.decompress(data))


class Running:
    """One response under way, and its log."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.writer: ResponseWriter = job.writer()
        self.task: asyncio.Task[None] | None = None
        self.cancelled = False  # by its owner, not by the end of the server
        self._log: list[bytes] = []
        self._ended = False
        self._changed = asyncio.Event()

    @property
    def log(self) -> bytes:
        return b"".join(self._log)

    def put(self, data: bytes) -> None:
        if self.job.body.stream:  # else nobody may read it
            self._log += split_events(data)
        self._wake()

    def close(self) -> None:
        self._ended = True
        self._wake()

    async def read(self, after: int) -> AsyncGenerator[bytes, None]:
        """The events from number after + 1 on, until the response ends."""
        place = after + 1
        while True:
            changed = self._changed
            if place < len(self._log):
                data = b"".join(self._log[place:])
                place = len(self._log)
                yield data
            elif self._ended:
                return
            else:
                await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Background:
    def __init__(self, state: State) -> None:
        self._state = state
        self._running: dict[str, Running] = {}
        # Half of the batch: clients that wait for their answers find room beside them.
        self._room = asyncio.Semaphore(max(1, state.settings.max_batch // 2))

    async def __aenter__(self) -> Self:
        await self._state.database.run(self._fail_left_behind)
        return self

    async def __aexit__(self, *error: object) -> None:
        tasks = [running.task for running in self._running.values() if running.task is not None]
        for running in self._running.values():
            if running.task is not None and not running.cancelled:
                running.task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def find(self, id: str) -> Running | None:
        return self._running.get(id)

    async def start(self, job: Job) -> tuple[Running, str]:
        """The response as it is queued, in JSON, too. Raises OverloadedError."""
        id = job.response["id"]
        if len(self._running) >= self._state.settings.max_queue:
            raise OverloadedError("Too many responses are waiting to be run in the background. Please try again later.")
        self._running[id] = running = Running(job)
        try:
            running.put(running.writer.queued())
            queued = dump(job.response)
            row = Stored(id, "queued", queued)
            expires_at = expiry(self._state)
            runner = await asyncio.to_thread(lambda: self._state.files.directory.instance.name)
            await self._state.database.run(
                lambda connection: responses.add(
                    connection,
                    job.meter.caller.owner,
                    row,
                    stored_items(job.own),
                    expires_at=expires_at,
                    previous=job.body.previous_response_id,
                    depth=job.depth,
                    runner=runner,
                )
            )
        except BaseException:
            del self._running[id]
            raise
        if job.body.conversation_id is None:  # else they are appended when it has ended
            job.own = []
        running.task = asyncio.create_task(self._run(running))
        return running, queued

    async def cancel(self, row: Stored) -> None:
        """Returns when it has ended. What has ended before is left as it is."""
        running = self._running.get(row.id)
        if running is None or running.task is None:
            # Another server's: that one finds out when it wants to store its answer.
            response = orjson.loads(row.body)
            end(response, "cancelled")
            gone = Stored(row.id, "cancelled", dump(response))
            await self._state.database.run(lambda connection: responses.finish(connection, gone, ()))
            return
        await asyncio.sleep(0)  # a task that never began would not notice
        if not running.cancelled:
            running.cancelled = True
            running.task.cancel()
        await asyncio.wait([running.task])

    async def _run(self, running: Running) -> None:
        job, writer = running.job, running.writer

        async def finish(last: bytes) -> None:
            log = running.log + last if job.body.stream else None
            await keep(job, None if log is None else await asyncio.to_thread(zlib.compress, log, COMPRESSION))

        try:
            async with self._room:
                job.response["status"] = "in_progress"
                row = Stored(job.response["id"], "in_progress", dump(job.response))
                await self._state.database.run(lambda connection: responses.set_status(connection, row))
                running.put(writer.started())
                async with aclosing(run(job, writer, b"", finish)) as events:
                    async for data in events:
                        running.put(data)
        except asyncio.CancelledError:
            last = self._broken_off(running)
            await finish(last)
            running.put(last)
            raise
        except RequestError as error:  # the storage: it cannot be told there either
            running.put(writer.fail(error))
        except Exception:
            logger.exception("response %s broke off", job.response["id"])
        finally:
            running.close()
            self._running.pop(job.response["id"], None)

    def _broken_off(self, running: Running) -> bytes:
        if not running.cancelled:
            return running.writer.fail(
                RequestError(
                    "The server was stopped before the response was finished.", status=503, type="server_error"
                )
            )
        running.writer.abandon()
        end(running.job.response, "cancelled")
        return b""  # the API has no event for it: the stream ends

    def _fail_left_behind(self, connection: Connection) -> None:
        gone = RequestError("The server was stopped before the response was finished.", status=503, type="server_error")
        for runner, row in responses.unfinished(connection):
            response = orjson.loads(row.body)
            if not self.is_left(runner, response["created_at"]):
                continue
            end(response, "failed")
            response["error"] = failure(gone)
            responses.finish(connection, Stored(row.id, "failed", dump(response)), ())

    def is_left(self, runner: str, created_at: int) -> bool:
        """Whether nobody runs this response any more."""
        alive = self._state.files.directory.instance.lives(runner)
        if alive is None and self._state.database.kind != "sqlite":
            # It may be a server on another machine, which shares nothing but the database.
            return created_at < time.time() - DAY
        return not alive
