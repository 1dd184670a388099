"""Stored files: a row of what is known about each, beside its bytes in the directory (drafts.py).

The row comes last and goes first: a file that has a row has its bytes. Every method takes the owner, and finds nothing
of another's. Servers that share a database have to share the directory, too. No HTTP here.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Table, Text, delete, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from spatz.store.batch_tables import UNFINISHED, batches
from spatz.store.db import Database, metadata
from spatz.store.drafts import Directory, Draft, StorageFull

__all__ = ["File", "FileInUse", "Files", "files"]

DAY = 86_400
MOST_FILES = 100_000  # of all owners: small files take no space worth counting, but rows and names

files = Table(
    "files",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, index=True),
    Index("ix_files_owner", "owner", "number"),
)


@dataclass(frozen=True, slots=True)
class File:
    number: int
    id: str
    owner: str
    filename: str
    purpose: str
    bytes: int
    sha256: str
    created_at: int
    expires_at: int | None


class FileInUse(Exception):
    """A batch that has not ended reads this file; its id is the argument."""


class Files:
    def __init__(self, database: Database, path: Path, *, limit: int, days: int) -> None:
        """limit: bytes that all files may take. days: after which a file is deleted at the latest; 0 keeps it."""
        self._database = database
        self.directory = Directory(path)
        self.limit = limit
        self._days = days

    # --- making ------------------------------------------------------------------------------------------------------

    async def draft(self) -> Draft:
        """A new file, which may take what is left of the limit. Raises StorageFull when nothing is."""
        used, count = await self._database.read(lambda connection: (used_bytes(connection), count_files(connection)))
        if used >= self.limit or count >= MOST_FILES:
            raise StorageFull
        return await asyncio.to_thread(self.directory.draft, self.limit - used)

    async def keep(self, draft: Draft, owner: str, filename: str, purpose: str, seconds: int | None = None) -> File:
        """A draft that has been written becomes a file, which expires after that many seconds."""
        file_id = new_id()

        def work(connection: Connection) -> File:
            file = self.insert(connection, file_id, draft, owner, filename, purpose, seconds)
            if used_bytes(connection) > self.limit:
                raise StorageFull
            return file

        try:
            await asyncio.to_thread(draft.place, file_id)
            return await self._database.run(work)
        except StorageFull:
            # After another error the row may be there all the same; if it is not, the bytes are swept in time.
            await asyncio.to_thread(self.directory.remove, file_id)
            raise

    def insert(
        self,
        connection: Connection,
        file_id: str,
        draft: Draft,
        owner: str,
        filename: str,
        purpose: str,
        seconds: int | None = None,
    ) -> File:
        """The row of a draft that has been placed, in the caller's transaction."""
        now = int(time.time())
        ends = [now + after for after in (seconds, self._days * DAY or None) if after is not None]
        row: dict[str, Any] = {
            "id": file_id,
            "owner": owner,
            "filename": filename,
            "purpose": purpose,
            "bytes": draft.size,
            "sha256": draft.sha256,
            "created_at": now,
            "expires_at": min(ends, default=None),
        }
        number = connection.execute(files.insert().values(row).returning(files.c.number)).scalar_one()
        return File(number=number, **row)

    # --- finding -----------------------------------------------------------------------------------------------------

    async def find(self, owner: str, file_id: str) -> File | None:
        return await self._database.read(lambda connection: find(connection, owner, file_id))

    async def list(
        self, owner: str, *, purpose: str | None, after: File | None, limit: int, descending: bool
    ) -> tuple[Sequence[File], bool]:
        """Up to limit files, and whether there are more."""
        wanted: list[ColumnElement[bool]] = [files.c.owner == owner, _alive()]
        if purpose is not None:
            wanted.append(files.c.purpose == purpose)
        if after is not None:
            wanted.append(files.c.number < after.number if descending else files.c.number > after.number)
        order = files.c.number.desc() if descending else files.c.number
        query = select(files).where(*wanted).order_by(order).limit(limit + 1)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [File(*row) for row in rows[:limit]], len(rows) > limit

    # --- removing ----------------------------------------------------------------------------------------------------

    async def delete(self, owner: str, file_id: str) -> bool:
        """False: there is no such file. Raises FileInUse."""

        def work(connection: Connection) -> bool:
            file = find(connection, owner, file_id)
            if file is None:
                return False
            reader = connection.execute(
                select(batches.c.id).where(batches.c.input_file_id == file_id, batches.c.status.in_(UNFINISHED))
            ).scalar()
            if reader is not None:
                raise FileInUse(reader)
            connection.execute(delete(files).where(files.c.number == file.number))
            return True

        deleted = await self._database.run(work)
        if deleted:
            await asyncio.to_thread(self.directory.remove, file_id)
        return deleted

    async def sweep(self) -> int:
        """Remove files that have expired and bytes that no file has; gives how many."""

        def expired(connection: Connection) -> list[str]:
            read = select(batches.c.input_file_id).where(batches.c.status.in_(UNFINISHED))
            wanted = delete(files).where(files.c.expires_at <= int(time.time()), files.c.id.not_in(read))
            return list(connection.execute(wanted.returning(files.c.id)).scalars())

        gone = await self._database.run(expired)
        await asyncio.to_thread(self.directory.remove, *gone)
        # What is placed after this question has no row here, but it is young, and the directory spares the young.
        known = await self._database.read(lambda connection: set(connection.execute(select(files.c.id)).scalars()))
        return len(gone) + await asyncio.to_thread(self.directory.sweep, known)


def new_id() -> str:
    return "file-" + secrets.token_hex(12)


def find(connection: Connection, owner: str, file_id: str) -> File | None:
    row = connection.execute(select(files).where(files.c.id == file_id, files.c.owner == owner, _alive())).first()
    return None if row is None else File(*row)


def used_bytes(connection: Connection) -> int:
    """Of all files, and of the results that are to become files."""
    whole = connection.execute(select(func.sum(files.c.bytes))).scalar() or 0
    results = connection.execute(select(func.sum(batches.c.stored))).scalar() or 0
    return int(whole) + int(results)


def count_files(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(files)).scalar_one()


def _alive() -> ColumnElement[bool]:
    """An expired file is gone at once, not when it is swept."""
    return or_(files.c.expires_at.is_(None), files.c.expires_at > int(time.time()))
