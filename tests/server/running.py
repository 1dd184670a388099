"""`spatz serve` in a process of its own, for tests that talk to it as its users do."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_WAIT = 120  # seconds that a server may take to start or stop on a busy machine


@dataclass
class RunningServer:
    process: subprocess.Popen[str]
    base_url: str  # with /v1
    greeting: str

    def stop(self, signals: int = 1) -> int:
        self.process.send_signal(signal.SIGTERM)
        for _ in range(signals - 1):
            # A signal that comes while the same one is still pending is lost: wait until the first was seen.
            self._wait_for_draining()
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_WAIT)

    def _wait_for_draining(self) -> None:
        """Until it says that it takes nothing more: /healthz is 503."""
        for _ in range(10_000):
            try:
                with urllib.request.urlopen(self.base_url.removesuffix("/v1") + "/healthz", timeout=START_WAIT):
                    pass
            except urllib.error.HTTPError as error:
                error.close()
                return
        raise AssertionError("the server did not notice the signal")


@contextmanager
def serve(data_dir: Path, *flags: str, **environ: str) -> Iterator[RunningServer]:
    """`spatz serve` in a process of its own, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "spatz.cli", "serve", "--port", "0", "--data-dir", str(data_dir), *flags],
        stdout=subprocess.PIPE,
        text=True,
        # No test searches the web: only what an index in the data directory holds.
        env={**os.environ, "SPATZ_SEARCH_PROVIDERS": "local", **environ},
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
