"""One batch on its way: validate, run its lines, write its files. What kills it costs only the lines that were running.

Each step ends in a transaction: the input was found good, so many lines have results, the batch has its files. A line's
result goes into the database when it is there (several in one transaction, when several come at once), keyed by batch
and line, and counted there; the files are written from these rows at the end. So a kill loses lines that were running,
which are run again, and repeats none that is done. Lines are read from the input as they are needed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection
from starlette.types import ASGIApp

from spatz.engine.request import Priority
from spatz.server.batch_body import ENDPOINTS
from spatz.server.batch_call import call, failure, result
from spatz.server.batch_lines import Line, LineError, check_lines, read_line, read_lines
from spatz.server.body import body_limit
from spatz.server.caller import Caller
from spatz.server.state import State
from spatz.store.batch_hold import Hold
from spatz.store.batch_tables import Batch, Result
from spatz.store.db import StorageError
from spatz.store.drafts import Draft
from spatz.store.files import new_id, used_bytes

__all__ = ["BatchRun"]

LOOK_SECONDS = 1.0  # between two looks at whether the batch is to go on; each renews the lease
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds before a line is tried again
PAGE = 256  # results that are read or written at once

CANCELLED = ("batch_cancelled", "This request was not run, because the batch was cancelled.")
EXPIRED = ("batch_expired", "This request could not be executed before the completion window expired.")
FULL = ("storage_limit_exceeded", "This request was not run, because the storage of the server is full.")
LOST = LineError("file_not_found", "The input file cannot be read.", "input_file_id")

logger = logging.getLogger("spatz.batch")

Pause = Callable[[float], Awaitable[None]]


class BatchRun:
    def __init__(
        self, app: ASGIApp, state: State, hold: Hold, slots: asyncio.Semaphore, pause: Pause = asyncio.sleep
    ) -> None:
        """slots: one for each line that may run, over all batches of this process."""
        self._app = app
        self._state = state
        self._hold = hold
        self._slots = slots
        self._pause = pause
        self._look = asyncio.Event()
        self._pending: list[tuple[Result, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._left = False
        self._free = 1  # bytes of the storage that are left
        self.batch_id = ""

    def look(self) -> None:
        """The batch may have been cancelled: see to it now."""
        self._look.set()

    async def run(self) -> None:
        """Until the batch has ended. Cancelling this leaves it to be gone on with later. Raises LeaseLost."""
        try:
            batch = await self._hold.renew()
            self.batch_id = batch.id
            if batch.status == "validating":
                batch = await self._validate(batch)
            try:
                if batch.status == "in_progress":
                    batch = await self._run_lines(batch)
                if batch.status == "cancelling":
                    await self._close(batch, CANCELLED)
            except FileNotFoundError:
                logger.error("%s: its input file is gone", batch.id)
                batch = await self._hold.change(errors=_errors([LOST]))
            if not batch.ended:
                batch = await self._write_files(batch)
            logger.info("%s: %s, %d of %d lines succeeded", batch.id, batch.status, batch.completed, batch.total)
        finally:
            self._left = True
            with suppress(StorageError):
                await self._hold.release()

    # --- validating --------------------------------------------------------------------------------------------------

    async def _validate(self, batch: Batch) -> Batch:
        stop = False
        work = asyncio.create_task(asyncio.to_thread(self._check, batch, lambda: stop))
        try:
            while not (await asyncio.wait({work}, timeout=LOOK_SECONDS))[0]:
                if (await self._hold.renew()).status != "validating":
                    break
        finally:
            stop = True  # the thread ends soon, and its result is not wanted if it has not ended by itself
        total, model, errors = await asyncio.shield(work)
        now = int(time.time())
        if errors:
            changed = await self._hold.change(
                "validating", status="failed", errors=_errors(errors), failed_at=now, ended_at=now
            )
        else:
            changed = await self._hold.change(
                "validating", status="in_progress", in_progress_at=now, total=total, model=model
            )
        return changed

    def _check(self, batch: Batch, stop: Callable[[], bool]) -> tuple[int, str | None, Sequence[LineError]]:
        path = self._input(batch)
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                checked = check_lines(file, size, batch.endpoint, self._state.names, self._longest_line, stop)
        except OSError:
            return 0, None, [LOST]
        return checked.total, checked.model, checked.errors

    # --- running lines -----------------------------------------------------------------------------------------------

    async def _run_lines(self, batch: Batch) -> Batch:
        """All lines that have no result yet; those that are not run in the end get an error for a result."""
        reason = await self._reason(batch)
        if reason is None:
            batch, reason = await self._run_until(batch)
        if reason is not None and batch.status == "in_progress":
            if reason is EXPIRED:
                await self._hold.change(expired_at=int(time.time()))
            await self._close(batch, reason)
        return await self._hold.renew()

    async def _run_until(self, batch: Batch) -> tuple[Batch, tuple[str, str] | None]:
        """Run lines until all are done, or there is a reason to leave the rest."""
        work = asyncio.create_task(self._feed(batch))
        reason: tuple[str, str] | None = None
        try:
            while not work.done() and reason is None and batch.status == "in_progress":
                await self._wait(work)
                batch = await self._hold.renew()
                reason = await self._reason(batch)
        finally:
            work.cancel()
            await asyncio.wait({work})
            await self._settle()
        if not work.cancelled():
            work.result()
            reason = None
        return batch, reason

    async def _reason(self, batch: Batch) -> tuple[str, str] | None:
        if batch.expires_at is not None and batch.expires_at <= time.time():
            return EXPIRED
        # Exact now and then; in between this batch counts down what it adds.
        if self._free > 0:
            self._free = self._state.files.limit - await self._state.database.read(used_bytes)
        return None if self._free > 0 else FULL

    async def _wait(self, work: asyncio.Task[None]) -> None:
        looking = asyncio.create_task(self._look.wait())
        try:
            await asyncio.wait({work, looking}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            looking.cancel()
            self._look.clear()

    async def _feed(self, batch: Batch) -> None:
        done = await self._hold.done()
        caller = Caller(batch.owner, batch.owner_name, Priority.BACKGROUND)
        try:
            async with asyncio.TaskGroup() as running:
                for line in self._lines(batch, done):
                    await self._slots.acquire()
                    if self._state.draining or self._free <= 0:
                        self._slots.release()
                        await asyncio.Event().wait()  # running lines may end; then this is cancelled
                    task = running.create_task(self._line(batch, caller, line))
                    task.add_done_callback(lambda _: self._slots.release())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _line(self, batch: Batch, caller: Caller, line: Line) -> None:
        pause = FIRST_PAUSE
        while (reply := await call(self._app, caller, batch.id, batch.endpoint, line.body)).busy:
            await self._pause(max(reply.retry_after, pause) * random.uniform(0.5, 1))
            pause = min(2 * pause, LONGEST_PAUSE)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((result(batch.id, line, reply), written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await written

    async def _write(self) -> None:
        """What has come since the last transaction goes into the next."""
        while self._pending:
            taken, self._pending = self._pending, []
            try:
                await self._hold.record([result for result, _ in taken])
            except StorageError as error:
                if not self._left:
                    self._pending = taken + self._pending
                    await self._pause(LOOK_SECONDS)
                    continue
                failed: Exception | None = error
            except Exception as error:
                failed = error
            else:
                failed = None
                self._free -= sum(len(result.output) for result, _ in taken)
                if self._free <= 0:
                    self.look()
            for _, written in taken:
                if not written.done():
                    if failed is None:
                        written.set_result(None)
                    else:
                        written.set_exception(failed)

    async def _settle(self) -> None:
        """What was begun to be written is written, or has failed, before anybody asks which lines are done."""
        self._left = self._state.draining
        if self._writing is not None:
            await asyncio.wait({self._writing})

    # --- ending ------------------------------------------------------------------------------------------------------

    async def _close(self, batch: Batch, reason: tuple[str, str]) -> None:
        """Give every line without a result this error."""
        if not batch.total:  # it was never found to be a batch
            return
        done = await self._hold.done()
        page: list[Result] = []
        for line in self._lines(batch, done):
            page.append(failure(batch.id, line, *reason))
            if len(page) == PAGE:
                await self._hold.record(page)
                page = []
        await self._hold.record(page)

    async def _write_files(self, batch: Batch) -> Batch:
        now = int(time.time())
        batch = await self._hold.change("in_progress", status="finalizing", finalizing_at=now)
        drafts: dict[bool, Draft] = {}
        try:
            line = -1
            while page := await self._hold.results(line, PAGE):
                line = page[-1][0]
                await asyncio.to_thread(self._write_page, page, drafts)
                await self._hold.renew()
            return await self._name_files(batch, drafts)
        finally:
            for draft in drafts.values():
                await asyncio.to_thread(draft.discard)

    def _write_page(self, page: Sequence[tuple[int, bool, bytes]], drafts: dict[bool, Draft]) -> None:
        for _, succeeded, output in page:
            if succeeded not in drafts:
                drafts[succeeded] = self._state.files.directory.draft()
            drafts[succeeded].write(output + b"\n")

    async def _name_files(self, batch: Batch, drafts: dict[bool, Draft]) -> Batch:
        ids = {succeeded: new_id() for succeeded in drafts}
        for succeeded, draft in drafts.items():
            await asyncio.to_thread(draft.place, ids[succeeded])

        def add_rows(connection: Connection) -> None:
            for succeeded, draft in drafts.items():
                name = f"{batch.id}_{'output' if succeeded else 'error'}.jsonl"
                self._state.files.insert(
                    connection, ids[succeeded], draft, batch.owner, name, "batch_output", batch.output_seconds
                )

        now = int(time.time())
        if batch.status == "cancelling":
            status = {"status": "cancelled", "cancelled_at": now}
        elif batch.errors is not None:
            status = {"status": "failed", "failed_at": now}
        elif batch.expired_at is not None:
            status = {"status": "expired"}
        else:
            status = {"status": "completed", "completed_at": now}
        # From here on the files have their names: the transaction is not left half waited for.
        ending = self._hold.end(add_rows, **status, output_file_id=ids.get(True), error_file_id=ids.get(False))
        return await asyncio.shield(asyncio.ensure_future(ending))

    # --- the input ---------------------------------------------------------------------------------------------------

    def _input(self, batch: Batch) -> Path:
        return self._state.files.directory.path(batch.input_file_id)

    @property
    def _longest_line(self) -> int:
        return max(body_limit(self._state.settings, endpoint) for endpoint in ENDPOINTS)

    def _lines(self, batch: Batch, done: set[int]) -> Iterator[Line]:
        with self._input(batch).open("rb") as file:
            for number, data in read_lines(file, self._longest_line):
                if number not in done:
                    yield read_line(number, data)


def _errors(errors: Sequence[LineError]) -> str:
    return json.dumps([error.body() for error in errors])
