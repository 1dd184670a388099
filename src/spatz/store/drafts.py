"""Files on the disk of the store: written under a name that says who writes, then given their own in one step.

Nothing that a client says becomes part of a path. What a process that has died left behind is swept away.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from spatz.errors import RequestError
from spatz.store.instance import Instance

__all__ = ["Directory", "Draft", "StorageFull"]

STRAY_SECONDS = 3600  # a file without a row may be one whose row is about to be written


class StorageFull(RequestError):
    """What is to be stored is more than the settings or the disk leave room for."""

    def __init__(self) -> None:
        # Not a 5xx: clients would send the whole file again, at once and twice.
        super().__init__(
            "The storage of this server is full. Delete files that are not needed any more.",
            status=413,
            code="storage_limit_exceeded",
        )


class Directory:
    """Where the bytes of stored files lie, each under its id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.instance = Instance(path)
        self._ended: set[str] = set()  # processes that were seen to have ended
        self._lock = threading.Lock()
        self._writing = 0  # bytes of all drafts that have a limit

    def path(self, file_id: str) -> Path:
        return self._path / file_id

    def open(self, file_id: str) -> BinaryIO:
        return self.path(file_id).open("rb")

    def draft(self, free: int | None = None) -> Draft:
        """A new file that may take `free` bytes together with the other drafts of this process; None is no limit."""
        return Draft(self, self._path / f"{self.instance.name}.{secrets.token_hex(8)}.part", free)

    def flush(self) -> None:
        """Names that were given are on the disk, too."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, *file_ids: str) -> None:
        for file_id in file_ids:
            self.path(file_id).unlink(missing_ok=True)

    def sweep(self, known: set[str]) -> int:
        """Remove what no process writes and no row names; gives how many. known: the ids that have rows."""
        removed = 0
        if not self._path.is_dir():
            return 0
        for path in list(self._path.iterdir()):
            if path.suffix in (".part", ".lock", ".new"):
                name = path.name.partition(".")[0]
                stray = name != self.instance.name and not self.instance.lives(name)
                if stray and path.suffix == ".lock" and name not in self._ended:
                    # Until the next time: it tells who takes over that process's work that there is nobody to wait for.
                    self._ended.add(name)
                    continue
            else:
                stray = path.name not in known
            # A .new is locked a moment after it was made.
            young = path.suffix in ("", ".new") and _age(path) < STRAY_SECONDS
            if stray and not young:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def count(self, size: int) -> int:
        with self._lock:
            self._writing += size
            return self._writing


class Draft:
    """One file while it is written, by one thread at a time. `place` or `discard` ends it."""

    def __init__(self, directory: Directory, path: Path, free: int | None) -> None:
        self._directory = directory
        self._path = path
        self._free = free
        self._hash = hashlib.sha256()
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=1 << 16)
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Raises RequestError when the storage or the disk is full."""
        self.size += len(data)
        if self._free is not None and self._directory.count(len(data)) > self._free:
            raise StorageFull
        self._hash.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise StorageFull from error

    def place(self, file_id: str) -> None:
        """The whole file is on the disk under this id, or this raises."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.rename(self._directory.path(file_id))
            self._directory.flush()
        except OSError as error:
            raise StorageFull from error
        self._uncount()

    def discard(self) -> None:
        """Remove what was written. Nothing, when it has been placed."""
        self._uncount()
        self._path.unlink(missing_ok=True)
        with suppress(OSError):  # what it could not write is not wanted
            self._file.close()

    def _uncount(self) -> None:
        if self._free is not None:
            self._directory.count(-self.size)
            self._free = None


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
