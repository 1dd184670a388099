"""Spatz in processes of its own, as a person starts it: what is measured is what they wait for and what `top` shows.

The children get this process's settings as flags; nothing of its environment or of a settings file reaches them twice.
They have a database of their own: the person's keys would shut us out, and what is measured is nobody's usage.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from spatz.config import PREFIX, Settings, options
from spatz.errors import SpatzError

__all__ = ["Child", "cold_start_s", "peak_memory", "serving"]

_STOP_SECONDS = 60
_GREETING_END = "print(answer"
_PROMPT = "What is the capital of France?"


def cold_start_s(settings: Settings, path: Path) -> float:
    """Seconds from the start of `spatz run` to the first byte of its answer."""
    start = time.perf_counter()
    arguments = ("run", _PROMPT, "--temperature", "0", "--max-tokens", "8")
    with _spatz(settings, path, *arguments) as (process, errors):
        assert process.stdout is not None
        first = process.stdout.read(1)
        took = time.perf_counter() - start
        process.stdout.read()
        if process.wait() or not first:
            raise SpatzError(f"`spatz run` failed: {_last_line(errors)}")
    return took


@dataclass(frozen=True, slots=True)
class Child:
    """A server that answers."""

    pid: int
    host: str
    port: int


@contextmanager
def serving(settings: Settings, path: Path) -> Iterator[Child]:
    """`spatz serve` on a free port of the loopback, until the block ends."""
    with _spatz(settings, path, "serve", "--host", "127.0.0.1", "--port", "0", "--log-level", "warning") as (
        process,
        errors,
    ):
        assert process.stdout is not None
        greeting = ""
        while _GREETING_END not in greeting:
            line = process.stdout.readline().decode()
            if not line:
                process.wait()
                raise SpatzError(f"`spatz serve` failed: {_last_line(errors)}")
            greeting += line
        address = re.search(r"http://([0-9.]+):(\d+)/v1", greeting)
        assert address is not None
        yield Child(process.pid, address[1], int(address[2]))


def peak_memory(pid: int) -> int:
    """The most bytes that a process has had in memory at once."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError as error:
        raise SpatzError(f"this system does not tell the memory of a process: {error}") from None
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise SpatzError("this system does not tell the peak memory of a process")
    return int(found[1]) * 1024


@contextmanager
def _spatz(
    settings: Settings, path: Path, command: str, *arguments: str
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """The process and what it wrote to stderr (a file, so that it can never wait for somebody to read it)."""
    flags = [*_flags(settings, path), "--config", os.devnull]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory() as directory:
        environment[PREFIX + "DATABASE_URL"] = f"sqlite:///{directory}/spatz.db"
        process = subprocess.Popen(
            [sys.executable, "-m", "spatz.cli", command, *arguments, *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        )
        with process:
            try:
                yield process, errors
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


def _flags(settings: Settings, path: Path) -> list[str]:
    flags = []
    for option in options("model", "engine"):
        value = path if option.name == "model" else getattr(settings, option.name)
        if value != "":
            flags += [option.switch, str(value)]
    return flags


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("spatz: ") if lines else "it said nothing"
