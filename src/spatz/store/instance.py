"""This process among others that work on the same data: a name, and a lock that tells them whether it still lives.

What a process has begun (an upload, a batch) carries its name. The kernel lets go of the lock when the process ends,
however it ends, so a restarted server knows at once what it may take over or throw away.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import weakref
from pathlib import Path

__all__ = ["Instance"]


class Instance:
    """directory is made when the name is first asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name = ""
        self._close: weakref.finalize[..., Instance] | None = None

    @property
    def name(self) -> str:
        if not self._name:
            name = secrets.token_hex(8)
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._path(name)
            # Locked before it has its name: under its name it is never seen unlocked while this process lives.
            new = path.with_suffix(".new")
            descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(path)
            self._close = weakref.finalize(self, _let_go, descriptor, path)
            self._name = name
        return self._name

    def lives(self, name: str) -> bool | None:
        """Whether the process of that name runs. None: it left in order, or works on another machine's disk."""
        try:
            descriptor = os.open(self._path(name), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def close(self) -> None:
        if self._close is not None:
            self._close()
            self._name, self._close = "", None

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.lock"


def _let_go(descriptor: int, path: Path) -> None:
    path.unlink(missing_ok=True)
    os.close(descriptor)
