"""Spatz in processes of its own, as a person starts it: what is measured is what they wait for and what `top` shows.

The children get this process's settings as flags; nothing of its environment or of a settings file reaches them twice.
They have a database of their own: the person's keys would shut us out, and what is measured is nobody's usage. And a
cache of their own: what they read was not read before, and leaves nothing behind.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from spatz.config import PREFIX, Settings, options
from spatz.errors import SpatzError

__all__ = ["Child", "cold_start_s", "serving"]

_START_SECONDS = 300
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
    start_s: float  # from the start of the process until it answered

    def kill(self) -> None:
        """Not even it notices."""
        os.kill(self.pid, signal.SIGKILL)


@contextmanager
def serving(settings: Settings, path: Path, folder: Path | None = None, *flags: str) -> Iterator[Child]:
    """`spatz serve` on a free port of the loopback, until the block ends.

    folder: its data directory, which stays; None: it has one of its own, which goes with it.
    """
    start = time.perf_counter()
    arguments = ("serve", "--host", "127.0.0.1", "--port", "0", "--log-level", "warning", *flags)
    with _spatz(settings, path, *arguments, folder=folder) as (process, errors):
        assert process.stdout is not None
        late = threading.Timer(_START_SECONDS, process.kill)
        try:
            late.start()
            greeting = ""
            while _GREETING_END not in greeting:
                line = process.stdout.readline().decode()
                if not line:
                    process.wait()
                    raise SpatzError(f"`spatz serve` failed: {_last_line(errors)}")
                greeting += line
        finally:
            late.cancel()
        address = re.search(r"http://([0-9.]+):(\d+)/v1", greeting)
        assert address is not None
        yield Child(process.pid, address[1], int(address[2]), time.perf_counter() - start)


@contextmanager
def _spatz(
    settings: Settings, path: Path, command: str, *arguments: str, folder: Path | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """The process and what it wrote to stderr (a file, so that it can never wait for somebody to read it)."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory() as directory:
        environment[PREFIX + "DATABASE_URL"] = f"sqlite:///{directory}/spatz.db"
        own = folder or Path(directory)
        _link_profiles(settings, own)
        flags = [*_flags(replace(settings, data_dir=own), path), "--config", os.devnull]
        process = None
        try:
            with _signals_held():
                process = subprocess.Popen(
                    [sys.executable, "-m", "spatz.cli", command, *arguments, *flags],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment,
                )
            yield process, errors
        finally:
            if process is not None:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with process:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Who is told to end while a process is being started ends once it is known, or nobody would end the process.

    Handlers are held, not the signals: a mask would be inherited by the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread alone
        return
    came: list[int] = []
    held = (signal.SIGINT, signal.SIGTERM)
    before = {sig: signal.signal(sig, lambda number, _: came.append(number)) for sig in held}
    try:
        yield
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
        for number in came:
            signal.raise_signal(number)


def _link_profiles(settings: Settings, folder: Path) -> None:
    """What was measured of a model is part of how it runs."""
    known, link = settings.data_dir / "profiles", folder / "profiles"
    if known.is_dir() and not link.exists():
        link.symlink_to(known.absolute(), target_is_directory=True)


def _flags(settings: Settings, path: Path) -> list[str]:
    flags = []
    for option in options("model", "engine", "context"):
        value = path if option.name == "model" else getattr(settings, option.name)
        if value != "":
            flags += [option.switch, str(value)]
    return flags


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("spatz: ") if lines else "it said nothing"
