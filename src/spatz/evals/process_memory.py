"""How much memory a process has, by what it is: its own, mapped files, shared memory. As Linux tells it.

What a process has mapped of files counts as resident, too, but belongs to the system's cache: it is given up when
somebody needs the room. So the three are told apart. Nothing here looks into the process.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from spatz.errors import SpatzError

__all__ = ["Memory", "MemoryWatch", "memory", "peak_memory"]

_SECONDS = 0.1  # between two looks


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes."""

    anonymous: int
    files: int
    shared: int  # in memory that has a name, such as files of a tmpfs

    def at_least(self, other: Memory) -> Memory:
        """The most of each."""
        return Memory(
            max(self.anonymous, other.anonymous), max(self.files, other.files), max(self.shared, other.shared)
        )


def memory(pid: int) -> Memory:
    """What a process has now. Raises SpatzError where the system does not tell, or the process has gone."""
    status = _status(pid)
    return Memory(*(_bytes(status, name) for name in ("RssAnon", "RssFile", "RssShmem")))


def peak_memory(pid: int) -> int:
    """The most bytes that a process has had in memory at once."""
    return _bytes(_status(pid), "VmHWM")


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError as error:
        raise SpatzError(f"this system does not tell the memory of a process: {error}") from None


def _bytes(status: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise SpatzError(f"this system does not tell {name} of a process")
    return int(found[1]) * 1024


class MemoryWatch:
    """Looks at a process again and again until the block ends, or the process does."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bench-memory", daemon=True)
        self.peak = memory(pid)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS):
            try:
                self.peak = self.peak.at_least(memory(self._pid))
            except SpatzError:
                return
