"""The embedded model and a server of it, for the tests of what people use. Found or fetched as `spatz pull` does it."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from spatz.config import load
from spatz.errors import DownloadError
from spatz.weights.catalog import DEFAULT

START_WAIT = 120  # seconds that a server may take to start or stop on a busy machine


@pytest.fixture(scope="session")
def data_dir() -> Path:
    return load(environ={key: value for key, value in os.environ.items() if key == "SPATZ_DATA_DIR"}).data_dir


@pytest.fixture(scope="session")
def model_path(data_dir: Path) -> Path:
    """The weights of the embedded model."""
    from spatz.weights.pull import pull, resolve

    try:
        return resolve(DEFAULT, data_dir) or pull(DEFAULT, data_dir, lambda done, total, doing: None)
    except DownloadError as error:
        pytest.skip(f"the embedded model cannot be had: {error}")


@dataclass
class RunningServer:
    process: subprocess.Popen[str]
    base_url: str  # with /v1
    greeting: str

    def stop(self, signals: int = 1) -> int:
        for _ in range(signals):
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_WAIT)


@contextmanager
def serve(data_dir: Path, *flags: str, **environ: str) -> Iterator[RunningServer]:
    """`spatz serve` in a process of its own, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "spatz.cli", "serve", "--port", "0", "--data-dir", str(data_dir), *flags],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        greeting = ""
        while "print(answer" not in greeting:
            line = lines.get(timeout=START_WAIT)
            assert line, f"the server did not start: {greeting}"
            greeting += line
        found = re.search(r"http://\S+/v1", greeting)
        assert found is not None
        yield RunningServer(process, found.group(), greeting)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(START_WAIT)
        reader.join(START_WAIT)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def server(model_path: Path, data_dir: Path) -> Iterator[RunningServer]:
    """One for all tests that only talk to it. Its end is tested too: it has to be orderly."""
    with serve(data_dir) as running:
        yield running
        assert running.stop() == 0
