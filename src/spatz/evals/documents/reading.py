"""Reads the set of documents as the server does, in the processes of its pool, and scores what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spatz.errors import SpatzError
from spatz.evals.documents.corpus import Reading, readings, samples
from spatz.evals.documents.scoring import Score, score
from spatz.evals.documents.together import together
from spatz.inputs.document import InputError, ReadOptions
from spatz.inputs.pool import ReaderPool
from spatz.inputs.reading import Accept

__all__ = ["Read", "Wanted", "read_documents"]


@dataclass(frozen=True, slots=True)
class Wanted:
    kinds: tuple[str, ...]
    conditions: tuple[str, ...]
    documents: int  # of each kind
    seed: int
    workers: int
    folder: Path | None = None  # where what is read and what was read of it are kept for a person to look at


@dataclass(frozen=True, slots=True)
class Read:
    """One document in one condition. score is None where it could not be read, and error says why."""

    name: str
    kind: str
    language: str
    condition: str
    score: Score | None
    seconds: float
    confidence: float | None = None
    notes: tuple[str, ...] = ()
    error: str = ""


def read_documents(wanted: Wanted, tell: Callable[[str], None]) -> list[Read]:
    return asyncio.run(_read_all(wanted, tell))


async def _read_all(wanted: Wanted, tell: Callable[[str], None]) -> list[Read]:
    """Each process of the pool has one document at a time, so seconds are those of reading and not of waiting."""
    found: list[Read] = []
    work = _work(wanted)

    async def go_on() -> None:
        while (item := await asyncio.to_thread(next, work, None)) is not None:
            reading, number, count = item
            tell(f"reading: {reading.sample.name}, {reading.condition} ({number} of {count})")
            found.append(await _read(pool, reading, wanted.folder))

    async with ReaderPool(workers=wanted.workers) as pool:
        await together(wanted.workers, go_on)
    order = {condition: place for place, condition in enumerate(wanted.conditions)}
    return sorted(found, key=lambda read: (read.kind, read.name, order[read.condition]))


class _Shared:
    """An iterator that threads share: a generator must not be entered by two at once."""

    def __init__(self, items: Iterator[tuple[Reading, int, int]]) -> None:
        from threading import Lock

        self._items = items
        self._lock = Lock()

    def __iter__(self) -> _Shared:
        return self

    def __next__(self) -> tuple[Reading, int, int]:
        with self._lock:
            return next(self._items)


def _work(wanted: Wanted) -> _Shared:
    count = len(wanted.kinds) * wanted.documents * len(wanted.conditions)

    def all_of_them() -> Iterator[tuple[Reading, int, int]]:
        number = 0
        for place, sample in enumerate(samples(wanted.kinds, wanted.documents, wanted.seed)):
            for reading in readings(sample, wanted.conditions, place):
                number += 1
                yield reading, number, count

    return _Shared(all_of_them())


async def _read(pool: ReaderPool, reading: Reading, folder: Path | None) -> Read:
    sample = reading.sample
    about = (sample.name, sample.kind, sample.language, reading.condition)
    kind: Accept = "pdf" if reading.condition in ("pdf", "scan") else "image"
    start = time.perf_counter()
    try:
        document = await pool.read(reading.data, ReadOptions(), kind)
    except InputError as error:
        return Read(*about, None, time.perf_counter() - start, error=error.message)
    took = time.perf_counter() - start
    if folder is not None:
        _keep(folder, reading, document.markdown)
    notes = tuple(note.code for note in document.notes)
    return Read(*about, score(document.markdown, sample.truth), took, document.confidence, notes)


def _keep(folder: Path, reading: Reading, markdown: str) -> None:
    suffix = "pdf" if reading.condition in ("pdf", "scan") else "png"
    name = folder / f"{reading.sample.name}.{reading.condition}"
    try:
        Path(f"{name}.{suffix}").write_bytes(reading.data)
        Path(f"{name}.md").write_text(markdown, encoding="utf-8")
        Path(f"{name}.truth.txt").write_text(reading.sample.truth.orders[0] + "\n", encoding="utf-8")
    except OSError as error:
        raise SpatzError(f"--save: {folder}: {error.strerror or error}") from None
