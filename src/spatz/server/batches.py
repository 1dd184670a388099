"""The service that runs batches: takes up those that nobody runs, several at once, and sweeps what has expired.

It begins with the server and stops with it. It finds out by itself that there is something to do (another process may
have taken a batch in, or have died), and at once when `wake` is called. What a batch goes through is in batch_run.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp

from spatz.errors import SpatzError
from spatz.server.batch_run import BatchRun, Pause
from spatz.server.state import State
from spatz.store.batch_hold import Hold, LeaseLost
from spatz.store.batches import Batches

__all__ = ["BatchRunner"]

MOST_RUNNING = 4  # batches; their lines share the slots in turns
LOOK_SECONDS = 5.0
SWEEP_SECONDS = 3600.0

logger = logging.getLogger("spatz.batch")


class BatchRunner:
    def __init__(self, app: ASGIApp, state: State, pause: Pause = asyncio.sleep) -> None:
        self._app = app
        self._state = state
        self._pause = pause
        self._batches = Batches(state.database)
        self._rung = asyncio.Event()
        # Enough lines to fill the batch and to have the next ones at hand; half of the queue is left to live requests.
        settings = state.settings
        self._slots = asyncio.Semaphore(settings.max_batch + min(settings.max_batch, settings.max_queue // 2))
        self._runs: dict[int, tuple[BatchRun, asyncio.Task[None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._swept = 0.0

    def wake(self) -> None:
        """There is a new batch."""
        self._rung.set()

    def look(self, batch_id: str) -> None:
        """Something has happened to this batch."""
        for run, _ in self._runs.values():
            if run.batch_id == batch_id:
                run.look()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        tasks = [self._task, *(task for _, task in self._runs.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._state.files.directory.instance.close()

    async def _serve(self) -> None:
        while True:
            self._rung.clear()
            try:
                if not self._state.draining:
                    await self._sweep()
                    await self._take()
            except SpatzError as error:
                logger.error("batches wait: %s", error)
            except Exception:
                logger.exception("batches wait")
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._rung.wait()
            except TimeoutError:
                pass

    async def _take(self) -> None:
        instance = self._state.files.directory.instance
        while len(self._runs) < MOST_RUNNING:
            taken = await self._batches.claim(instance.name, instance.lives, self._runs)
            if taken is None:
                return
            number, hold = taken
            run = BatchRun(self._app, self._state, hold, self._slots, self._pause)
            self._runs[number] = run, asyncio.create_task(self._run(number, run, hold))

    async def _run(self, number: int, run: BatchRun, hold: Hold) -> None:
        try:
            await run.run()
            self.wake()  # there may be another; after a failure that is not asked at once
        except LeaseLost:
            logger.warning("%s: another process runs it now", run.batch_id)
        except SpatzError as error:
            logger.error("%s: %s", run.batch_id, error)
        except Exception:
            logger.exception("%s broke off", run.batch_id)
        finally:
            del self._runs[number]

    async def _sweep(self) -> None:
        if self._swept and time.monotonic() - self._swept < SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        await self._state.files.sweep()
        if self._state.settings.file_days:
            await self._batches.sweep(self._state.settings.file_days)
