"""Reads damaged files in the pool's processes: each must be read or refused in words, none may end its process.

The pool turns what goes wrong in a process into a refusal, as the server needs it; what it logs tells that apart here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from spatz.errors import SpatzError
from spatz.evals.documents.mutations import mutations
from spatz.evals.documents.together import together
from spatz.evals.process_memory import peak_memory
from spatz.inputs.document import InputError, ReadOptions
from spatz.inputs.pool import ReaderPool
from spatz.inputs.reading import Accept

__all__ = ["Damage", "read_damaged"]

SECONDS = 120.0  # that one file may take


@dataclass
class Damage:
    files: int
    read: int = 0
    refused: dict[str, int] = field(default_factory=dict)  # by the error's code
    failed: list[str] = field(default_factory=list)  # what was done to the file, and what happened
    memory_mb: int = 0  # the most that a process held

    def line(self) -> str:
        codes = ", ".join(f"{count} {code}" for code, count in sorted(self.refused.items()))
        return (
            f"{self.files} damaged files: {self.read} read, {sum(self.refused.values())} refused ({codes}), "
            f"{len(self.failed)} failed; at most {self.memory_mb} MB in a process"
        )


class _Told(logging.Handler):
    """What the pool logs when a process failed it, instead of printing it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def read_damaged(count: int, seed: int, workers: int, width: int, tell: Callable[[str], None]) -> Damage:
    """width: of the pictures, in pixels."""
    logger, told = logging.getLogger("spatz.inputs"), _Told()
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(told)
    try:
        return asyncio.run(_read_all(count, seed, workers, width, tell, told))
    finally:
        logger.removeHandler(told)
        logger.propagate = propagates


async def _read_all(
    count: int, seed: int, workers: int, width: int, tell: Callable[[str], None], told: _Told
) -> Damage:
    damage = Damage(count)
    work = iter(list(mutations(count, seed, width)))

    async def go_on() -> None:
        # A process and a pool for each, so that what is logged belongs to the file at hand.
        async with ReaderPool(workers=1, seconds=SECONDS) as pool:
            for name, data, kind in work:
                tell(f"reading damaged files: {name} of {count}")
                await _read(pool, name, data, kind, damage, told)
                damage.memory_mb = max(damage.memory_mb, *map(_peak_mb, pool.processes), 0)

    await together(workers, go_on)
    return damage


def _peak_mb(pid: int) -> int:
    """The most that a process has held since it was started; 0 where it has gone, or this system does not tell."""
    try:
        return peak_memory(pid) >> 20
    except SpatzError:
        return 0


async def _read(pool: ReaderPool, name: str, data: bytes, kind: Accept, damage: Damage, told: _Told) -> None:
    said = len(told.messages)
    try:
        await pool.read(data, ReadOptions(), kind)
    except InputError as error:
        # The log's line and the error come without a wait between them, so no other file's can.
        if len(told.messages) > said and told.messages[-1]:
            damage.failed.append(f"{name}: {told.messages[-1].strip().splitlines()[-1]}")
            told.messages[-1] = ""
        elif error.code == "input_timeout":
            damage.failed.append(f"{name}: {error.message}")
        else:
            code = error.code or "none"
            damage.refused[code] = damage.refused.get(code, 0) + 1
    except SpatzError as error:
        damage.failed.append(f"{name}: {type(error).__name__}: {error}")
    else:
        damage.read += 1
