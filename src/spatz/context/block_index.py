"""What is in which slot of the cache on disk: an index in SQLite, beside the files that hold the blocks.

It is read once, when a server starts, and written by one thread (block_writer.py). It is a hint and never believed for
more: each row is sealed by a checksum of its own, and each block by one over its address and its bytes, so whatever a
crash, a full disk or a bad one leaves here costs entries and not a wrong answer. An index that cannot be read, or that
is of another version, is an IndexUnusable, and the store begins anew.

`spatz cache` reads it beside a running server, and leaves wishes in it (`Wish`) to delete something, which the server
fulfils within a second or two.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

__all__ = ["COUNTERS", "FAILURES", "VERSION", "BlockIndex", "IndexUnusable", "Row", "SpaceRow", "Wish"]

VERSION = 1  # of the tables, of the slots' layout and of the checksums
FAILURES = (sqlite3.Error, ValueError)  # a damaged file's error may quote what is no text, which is a ValueError
COUNTERS = ("hits", "misses", "evictions", "damaged")  # over the cache's life

_HEAD = struct.Struct("<qqHHH").pack
_FILE = "index.db"
_APPLICATION = 0x53505A43  # "SPZC"
_WAIT = 5.0  # seconds for another process that writes
_TABLES = """
CREATE TABLE spaces (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, block_bytes INTEGER NOT NULL,
    segment_bytes INTEGER NOT NULL);
CREATE TABLE entries (space INTEGER NOT NULL, slot INTEGER NOT NULL, digest BLOB NOT NULL, parent BLOB NOT NULL,
    owner TEXT NOT NULL, checksum BLOB NOT NULL, used INTEGER NOT NULL, seal INTEGER NOT NULL,
    PRIMARY KEY (space, slot)) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE wishes (id INTEGER PRIMARY KEY, owner TEXT, digest BLOB, deleted INTEGER);
"""


class IndexUnusable(Exception):
    """It is damaged, of another version, or cannot be opened. str(error) says which."""


@dataclass(frozen=True, slots=True)
class SpaceRow:
    id: int
    name: str
    block_bytes: int
    segment_bytes: int


class Row(NamedTuple):
    space: int
    slot: int
    digest: bytes
    parent: bytes
    owner: str
    checksum: bytes
    used: int


@dataclass(frozen=True, slots=True)
class Wish:
    """Entries to be deleted: an owner's, the ones with an address, or all."""

    id: int
    owner: str | None
    digest: bytes | None


class BlockIndex:
    """Not thread-safe: one thread at a time. Its methods raise one of FAILURES where the file fails."""

    def __init__(self, connection: sqlite3.Connection, folder: Path | None = None) -> None:
        """folder: None where it is another process's."""
        self._connection = connection
        self._folder = folder

    @classmethod
    def open(cls, folder: Path) -> BlockIndex:
        """The index of the folder, made where there is none. Raises IndexUnusable."""
        path = folder / _FILE
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise IndexUnusable(f"{path} is not a plain file")
                os.fchmod(descriptor, 0o600)
                new = os.fstat(descriptor).st_size == 0
            finally:
                os.close(descriptor)
        except OSError as error:
            raise IndexUnusable(f"{path} cannot be opened ({error.strerror})") from None
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_WAIT)
        try:
            if not new:
                _check_version(connection)
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # a power cut costs entries, which the seals find out
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA journal_size_limit = 16777216")
            if new:
                connection.executescript(
                    f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id = {_APPLICATION}; "
                    f"PRAGMA user_version = {VERSION}; COMMIT;"
                )
        except (*FAILURES, IndexUnusable) as error:
            connection.close()
            raise IndexUnusable(str(error)) from None
        return cls(connection, folder)

    @classmethod
    def read_only(cls, folder: Path) -> BlockIndex | None:
        """To look into, beside a server that writes. None: there is none."""
        return cls._beside(folder, "ro")

    @classmethod
    def wishing(cls, folder: Path) -> BlockIndex | None:
        """To leave wishes in, beside a server that writes. None: there is none."""
        return cls._beside(folder, "rw")

    @classmethod
    def _beside(cls, folder: Path, mode: str) -> BlockIndex | None:
        path = (folder / _FILE).absolute()
        if not path.is_file() or not path.stat().st_size:
            return None
        connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=_WAIT)
        try:
            _check_version(connection)
        except (*FAILURES, IndexUnusable) as error:
            connection.close()
            raise IndexUnusable(str(error)) from None
        return cls(connection)

    @staticmethod
    def delete(folder: Path) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            (folder / f"{_FILE}{suffix}").unlink(missing_ok=True)

    def close(self, *, damaged: bool = False) -> None:
        """damaged: writing has shown that it is; it is deleted, and the store begins anew next time."""
        self._connection.close()  # which takes what is in the log into the file, where nobody else has it open
        if damaged and self._folder is not None:
            self.delete(self._folder)

    # --- reading -----------------------------------------------------------------------------------------------------

    def spaces(self) -> list[SpaceRow]:
        rows = self._connection.execute("SELECT id, name, block_bytes, segment_bytes FROM spaces").fetchall()
        for row in rows:
            if [type(value) for value in row] != [int, str, int, int] or row[2] < 1 or row[3] < 1:
                raise IndexUnusable("a row of its spaces is damaged")
        return [SpaceRow(*row) for row in rows]

    def rows(self) -> tuple[list[Row], list[tuple[int, int]]]:
        """All entries, and space and slot of rows that are damaged."""
        query = "SELECT space, slot, digest, parent, owner, checksum, used, seal FROM entries"
        rows: list[Row] = []
        damaged: list[tuple[int, int]] = []
        for space, slot, digest, parent, owner, checksum, used, seal in self._connection.execute(query):
            try:
                sound = seal == _seal(space, slot, digest, parent, owner, checksum) and used >= 0
            except (AttributeError, TypeError, struct.error):  # not even of the right types
                sound = False
            if sound:
                rows.append(Row(space, slot, digest, parent, owner, checksum, used))
            else:
                damaged.append((space, slot))
        return rows, damaged

    def counters(self) -> dict[str, int]:
        found = self._connection.execute("SELECT name, value FROM counters").fetchall()
        return {name: value for name, value in found if name in COUNTERS and isinstance(value, int)}

    def usage(self) -> list[tuple[str, str, int, int, int]]:
        """(space, owner, bytes of a block, entries, bytes), for people."""
        query = """SELECT spaces.name, entries.owner, block_bytes, COUNT(*), COUNT(*) * block_bytes FROM entries
            JOIN spaces ON spaces.id = entries.space GROUP BY entries.space, entries.owner ORDER BY 1, 2"""
        return self._connection.execute(query).fetchall()

    @property
    def data_version(self) -> int:
        """Another number when another process has written."""
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    # --- writing -----------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def add_space(self, name: str, block_bytes: int, segment_bytes: int) -> int:
        query = "INSERT INTO spaces (name, block_bytes, segment_bytes) VALUES (?, ?, ?)"
        number = self._connection.execute(query, (name, block_bytes, segment_bytes)).lastrowid
        assert number is not None
        return number

    def remove_space(self, space: int) -> None:
        self._connection.execute("DELETE FROM entries WHERE space = ?", (space,))
        self._connection.execute("DELETE FROM spaces WHERE id = ?", (space,))

    def put(self, row: Row) -> None:
        seal = _seal(row.space, row.slot, row.digest, row.parent, row.owner, row.checksum)
        values = (row.space, row.slot, row.digest, row.parent, row.owner, row.checksum, row.used, seal)
        self._connection.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def remove(self, slots: Iterable[tuple[int, int]]) -> None:
        """Entries by space and slot."""
        self._connection.executemany("DELETE FROM entries WHERE space = ? AND slot = ?", slots)

    def set_used(self, used: Iterable[tuple[int, int, int]]) -> None:
        """Of (when, space, slot)."""
        self._connection.executemany("UPDATE entries SET used = ? WHERE space = ? AND slot = ?", used)

    def set_counters(self, counters: Mapping[str, int]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", counters.items())

    def forget_deleted(self) -> None:
        """Leave nothing of deleted rows in the log, as far as readers allow it."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # --- wishes ------------------------------------------------------------------------------------------------------

    def wish(self, owner: str | None, digest: bytes | None) -> int:
        number = self._connection.execute("INSERT INTO wishes (owner, digest) VALUES (?, ?)", (owner, digest)).lastrowid
        assert number is not None
        return number

    def wishes(self) -> list[Wish]:
        """Those that are not fulfilled."""
        query = "SELECT id, owner, digest FROM wishes WHERE deleted IS NULL ORDER BY id"
        return [Wish(*row) for row in self._connection.execute(query)]

    def fulfil(self, wish: int, deleted: int) -> None:
        self._connection.execute("UPDATE wishes SET deleted = ? WHERE id = ?", (deleted, wish))

    def fulfilled(self, wish: int) -> int | None:
        """How many entries were deleted; None: none yet. Who asks for the result takes the wish away with it."""
        row = self._connection.execute("SELECT deleted FROM wishes WHERE id = ?", (wish,)).fetchone()
        if row is not None and row[0] is not None:
            self._connection.execute("DELETE FROM wishes WHERE id = ?", (wish,))
            return int(row[0])
        return None

    def forget_fulfilled(self) -> None:
        """Whoever wished them has not waited."""
        self._connection.execute("DELETE FROM wishes WHERE deleted IS NOT NULL")


def _check_version(connection: sqlite3.Connection) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != _APPLICATION:
        raise IndexUnusable("its index is not one of Spatz")
    if version != VERSION:
        raise IndexUnusable(f"it is of version {version}, and this Spatz writes version {VERSION}")


def _seal(space: int, slot: int, digest: bytes, parent: bytes, owner: str, checksum: bytes) -> int:
    head = _HEAD(space, slot, len(digest), len(parent), len(checksum))
    return zlib.crc32(head + digest + parent + checksum + owner.encode("utf-8", "surrogatepass"))
