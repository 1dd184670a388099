"""The file of the index: found, made, locked, checked and opened. It knows no documents.

One process writes at a time, held by a lock on a file beside it; any number read. A file that has been replaced by a
new one (`spatz index clear`) is noticed by its readers, who open the new one.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from spatz.search.index.schema import APPLICATION, TABLES, VERSION, IndexUnusable

__all__ = ["Errors", "damaged", "delete", "identity", "locked", "path_of", "readable", "salvaged", "writable"]

WAIT_SECONDS = 10.0  # for another connection's commit
MAPPED = 1 << 30  # bytes of the file that readers see without copying

AGAIN = "`spatz index update --rebuild` makes a new one from its sources, `spatz index clear` deletes it"


def path_of(folder: Path) -> Path:
    return folder / "documents.db"


def identity(folder: Path) -> tuple[int, int] | None:
    """Of the file that is there now; None for none."""
    try:
        status = path_of(folder).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """For the one that writes. Raises IndexUnusable at once where another does."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise IndexUnusable(
            f"the index {folder} cannot be written: {error.strerror or error}", "it cannot be written"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise IndexUnusable(
            f"the index {folder} is being written by another process", "another process writes it"
        ) from None
    finally:
        os.close(descriptor)


def writable(folder: Path) -> sqlite3.Connection:
    """Made where there is none. Under the lock. Raises IndexUnusable."""
    path = path_of(folder)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise IndexUnusable(f"the index {path} cannot be opened: {error}", "it cannot be opened") from None
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA cache_size=-65536")
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            connection.execute("BEGIN IMMEDIATE")
            for statement in TABLES:
                connection.execute(statement)
            connection.execute("COMMIT")
        _check(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise _damaged(path, error) from None
    except IndexUnusable:
        connection.close()
        raise
    return connection


def readable(folder: Path) -> sqlite3.Connection:
    """For any thread, one at a time. Raises IndexUnusable."""
    path = path_of(folder)
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=WAIT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute(f"PRAGMA mmap_size={MAPPED}")
        _check(connection, path)
    except sqlite3.Error as error:
        raise _damaged(path, error) from None
    return connection


def delete(folder: Path) -> None:
    """Under the lock. Readers that have it open keep what they have until they look again."""
    path = path_of(folder)
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink(missing_ok=True)


def salvaged(folder: Path) -> list[tuple[str, str, str]]:
    """(kind, address, options) of the sources that an unusable file still tells; empty where it tells nothing."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path_of(folder).absolute().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        rows = connection.execute("SELECT kind, address, options FROM source ORDER BY id").fetchall()
        return [row for row in rows if all(isinstance(value, str) for value in row)]
    return []


def _check(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise IndexUnusable(f"{path} is no index of Spatz: {AGAIN}", "it is no index")
    if version != VERSION:
        raise IndexUnusable(
            f"the index {path} was made by another version of Spatz: {AGAIN}", "another version of Spatz made it"
        )


def damaged(folder: Path, error: sqlite3.Error) -> IndexUnusable:
    """What SQLite complained of, for people."""
    return _damaged(path_of(folder), error)


class Errors:
    """As a context: what SQLite raises in it becomes IndexUnusable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise damaged(self._folder, error) from None


def _damaged(path: Path, error: sqlite3.Error) -> IndexUnusable:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return IndexUnusable(f"the index {path} is in use by another process", "another process uses it")
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return IndexUnusable(f"the index {path} cannot be written: the disk is full", "the disk is full")
    return IndexUnusable(f"the index {path} cannot be read ({error}): {AGAIN}", "it is damaged")
