"""What was read before: documents by a hash of their bytes and of how they were read, in memory and on the disk.

The same bytes give the same text, whoever sends them, so all callers share what is kept. A name tells no more than a
hash; files can be read by the server's user alone. Reading anything new is somebody else's business (pool.py).
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections import OrderedDict
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path

from spatz.inputs.document import Document, ReadOptions
from spatz.inputs.reading import Accept, reader_version
from spatz.inputs.wire import WireError, decode_document, encode_document

__all__ = ["DocumentCache", "content_hash", "reading_key"]

SUFFIX = ".json"


def content_hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def reading_key(content: str, options: ReadOptions, kind: Accept) -> str:
    """content: the hash of the bytes."""
    return hashlib.sha256(repr((content, astuple(options), kind, reader_version())).encode()).hexdigest()


class DocumentCache:
    """The memory's part belongs to one thread; the disk's may be used by any."""

    def __init__(self, folder: Path | None, *, disk_bytes: int, memory_bytes: int = 64 << 20) -> None:
        """folder: None, or disk_bytes 0, keeps nothing on the disk."""
        self._folder = folder if disk_bytes else None
        self._disk_bytes = disk_bytes
        self._memory_bytes = memory_bytes
        self._used = 0
        self._documents: OrderedDict[str, Document] = OrderedDict()

    # --- memory -----------------------------------------------------------------------------------------------------

    def find(self, key: str) -> Document | None:
        found = self._documents.get(key)
        if found is not None:
            self._documents.move_to_end(key)
        return found

    def put(self, key: str, document: Document) -> None:
        size = _size(document)
        if key in self._documents or size > self._memory_bytes:
            return
        self._documents[key] = document
        self._used += size
        while self._used > self._memory_bytes:
            _, gone = self._documents.popitem(last=False)
            self._used -= _size(gone)

    # --- disk -------------------------------------------------------------------------------------------------------

    def load(self, key: str) -> Document | None:
        """From the disk. What is damaged there is as good as nothing."""
        if self._folder is None:
            return None
        path = self._folder / (key + SUFFIX)
        try:
            data = path.read_bytes()
            os.utime(path)  # the order in which they are dropped
            return decode_document(data)
        except (OSError, WireError):
            return None

    def save(self, key: str, document: Document) -> None:
        """To the disk, and what is too old there is dropped. A full disk keeps nothing, and that is all."""
        if self._folder is None:
            return
        data = encode_document(document)
        if len(data) > self._disk_bytes // 2:
            return
        draft = self._folder / f"{secrets.token_hex(8)}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            draft.rename(self._folder / (key + SUFFIX))
            self._sweep(self._folder)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _sweep(self, folder: Path) -> None:
        entries = []
        for entry in os.scandir(folder):
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                entries.append((status.st_mtime, status.st_size, entry.path))
        used = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if used <= self._disk_bytes:
                break
            Path(path).unlink(missing_ok=True)
            used -= size


def _size(document: Document) -> int:
    """Bytes, about: a text that is not ASCII may take four a character."""
    return 1024 + len(document.markdown) * (1 if document.markdown.isascii() else 4)
