"""The thread that writes the index of the block store: nobody else waits for a checksum or for the disk.

Blocks are findable before it has got to them; what a crash finds in its queue is lost, and no more than that. Whatever
is in the queue at once becomes one transaction. Once a second it looks whether another process has left a wish in the
index.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from spatz.context.block import Entry, checksum
from spatz.context.block_index import FAILURES, BlockIndex, Row

__all__ = ["BlockWriter"]

T = TypeVar("T")

TICK_SECONDS = 1.0
MOST_JOBS = 256  # in one transaction

logger = logging.getLogger("spatz.cache")


@dataclass(frozen=True, slots=True)
class _Put:
    entry: Entry


@dataclass(frozen=True, slots=True)
class _Remove:
    space: int
    slot: int


@dataclass(frozen=True, slots=True)
class _Call:
    work: Callable[[BlockIndex], None]


class BlockWriter:
    def __init__(self, index: BlockIndex, tick: Callable[[BlockWriter, BlockIndex], None]) -> None:
        """tick: called in the thread at once, each second, and last."""
        self._index = index
        self._tick = tick
        self._jobs: queue.SimpleQueue[_Put | _Remove | _Call | None] = queue.SimpleQueue()
        self._failing = False
        self._damaged = False
        self._thread = threading.Thread(target=self._run, name="spatz-cache", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Write down an entry. One that goes before its turn, or meanwhile, is to be removed later in any case."""
        self._jobs.put(_Put(entry))

    def remove(self, space: int, slot: int) -> None:
        self._jobs.put(_Remove(space, slot))

    def call(self, work: Callable[[BlockIndex], T]) -> T:
        """Do something with the index after all that was asked before, and wait for it."""
        future: Future[T] = Future()

        def whole(index: BlockIndex) -> None:
            try:
                future.set_result(work(index))
            except Exception as error:  # belongs to the caller
                future.set_exception(error)

        self.later(whole)
        return future.result()

    def later(self, work: Callable[[BlockIndex], None]) -> None:
        self._jobs.put(_Call(work))

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()
        self._index.close(damaged=self._damaged)

    def _run(self) -> None:
        due = time.monotonic()
        going = True
        while going:
            jobs = self._take(max(0.0, due - time.monotonic()))
            going = not jobs or jobs[-1] is not None
            self._do(jobs)
            if time.monotonic() >= due or not going:
                self._guard(lambda: self._tick(self, self._index))
                due = time.monotonic() + TICK_SECONDS
        while rest := self._take(0.0):  # what the last tick has asked for
            self._do(rest)

    def _take(self, wait: float) -> list[_Put | _Remove | _Call | None]:
        """What is there, up to the first call or the end."""
        jobs: list[_Put | _Remove | _Call | None] = []
        try:
            while len(jobs) < MOST_JOBS:
                jobs.append(self._jobs.get(timeout=wait))
                wait = 0.0
                if jobs[-1] is None or isinstance(jobs[-1], _Call):
                    break
        except queue.Empty:
            pass
        return jobs

    def _do(self, jobs: list[_Put | _Remove | _Call | None]) -> None:
        self._write([job for job in jobs if isinstance(job, _Put | _Remove)])
        if jobs and isinstance(job := jobs[-1], _Call):
            work = job.work
            self._guard(lambda: work(self._index))

    def _write(self, jobs: list[_Put | _Remove]) -> None:
        if not jobs:
            return
        for job in jobs:
            if isinstance(job, _Put):
                entry = job.entry
                if entry.known and entry.file.readable(entry.slot):
                    entry.checksum = checksum(entry.digest, entry.file.data(entry.slot))
                    if not entry.pins:
                        entry.file.let_go(entry.slot)
        self._guard(lambda: self._apply(jobs))

    def _apply(self, jobs: list[_Put | _Remove]) -> None:
        with self._index.transaction():
            for job in jobs:
                if isinstance(job, _Remove):
                    self._index.remove([(job.space, job.slot)])
                    continue
                entry = job.entry
                row = Row(
                    entry.space.id,
                    entry.slot,
                    entry.digest,
                    entry.parent,
                    entry.owner,
                    entry.checksum,
                    entry.used,
                )
                self._index.put(row)

    def _guard(self, work: Callable[[], None]) -> None:
        """The disk may be full or the index damaged: what is written down no more is not found after a restart."""
        try:
            work()
        except FAILURES as error:
            if not self._failing:
                logger.warning("the cache's index cannot be written (%s): a restart will not find what is new", error)
            self._failing = True
            # A full disk or a lock is an OperationalError and passes; this does not.
            self._damaged = self._damaged or type(error) is sqlite3.DatabaseError
        except Exception:
            logger.exception("the cache's index cannot be written")
        else:
            self._failing = False
