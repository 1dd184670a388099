"""A ZIP file whose bounds have been checked before anything in it is unpacked: how many members, how large, how dense.

DOCX, XLSX, PPTX and EPUB are such files. Only what is asked for is unpacked, in memory and never to a disk, and a
member gives at most the size that was declared and counted. Archives inside of archives stay closed.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import IO

from spatz.inputs.document import InputError

__all__ = ["Archive"]

MAX_MEMBERS = 20_000
MAX_TOTAL = 512 << 20  # bytes unpacked, of all members; what is read of them is bounded once more by their readers
MAX_MEMBER = 256 << 20
MAX_RATIO = 400  # of what is large: XML of an empty table comes near 300, a bomb of one layer has 1,000
SMALL = 4 << 20
MAX_NAME = 1_024
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class Archive:
    """The members by name. Raises InputError for what is damaged, locked or a bomb."""

    def __init__(self, data: bytes) -> None:
        # Before zipfile makes an object of each entry, and whatever the directory's own count says.
        if data.count(b"PK\x01\x02") > MAX_MEMBERS:
            raise _too_large("has too many members")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, zlib.error, UnicodeError):
            raise _damaged() from None
        self._members: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for member in self._zip.infolist():
            total += member.file_size
            dense = member.file_size > SMALL and member.file_size > MAX_RATIO * max(1, member.compress_size)
            if dense or member.file_size > MAX_MEMBER or total > MAX_TOTAL:
                raise _too_large("unpacks to too much")
            if len(member.filename) > MAX_NAME:
                raise _damaged()
            self._members.setdefault(member.filename, member)
        if total > SMALL and total > MAX_RATIO * len(data):  # members that share their bytes
            raise _too_large("unpacks to too much")

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def names(self) -> list[str]:
        return list(self._members)

    def open(self, name: str) -> IO[bytes]:
        """A stream of the member. Raises InputError, and while it is read what ERRORS names."""
        member = self._members.get(name)
        if member is None:
            raise InputError(f"it is damaged: it has no part {_shown(name)}")
        if member.flag_bits & 0x1:
            raise InputError("it has a password", code="encrypted_file")
        if member.compress_type not in METHODS:
            raise _damaged()
        try:
            return self._zip.open(member)
        except ERRORS:
            raise _damaged() from None

    def read(self, name: str, limit: int = 16 << 20) -> bytes:
        """The whole member. Raises InputError, also where it is larger than limit."""
        with self.open(name) as stream:
            try:
                data = stream.read(limit + 1)
            except ERRORS:
                raise _damaged() from None
        if len(data) > limit:
            raise _too_large(f"has a part {_shown(name)} that is too large")
        return data


ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


def _shown(name: str) -> str:
    return repr(name[:80])


def _damaged() -> InputError:
    return InputError("it is damaged: it cannot be unpacked")


def _too_large(what: str) -> InputError:
    return InputError(f"it {what}", code="file_too_large")
