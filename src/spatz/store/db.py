"""The database: SQLite in the data directory, or PostgreSQL by URL. Tables are in the files of what they keep.

Every table is declared on `metadata` and made by a migration (migrations/). Statements are SQLAlchemy's core language,
which both databases speak. Work is a function of a connection, run in one transaction: in the caller's thread with
`transaction`, or from the event loop with `run`, in the store's own threads. Work that only reads may say so (`read`):
then it does not wait for writers.

SQLite has one writer at a time. Those of this process queue here, in order, and take the lock of the file at their
beginning: a transaction that began by reading could not become a writer once another had written. Those of other
processes (`spatz keys` beside a server) are waited for by SQLite.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, MetaData, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from spatz.errors import ConfigError, RequestError

__all__ = ["Database", "StorageError", "metadata"]

T = TypeVar("T")

metadata = MetaData()

SQLITE_WAIT = 30  # seconds that a writer waits for those of other processes
POOL_WAIT = 60  # seconds for a connection, when all are in use
THREADS = 4
SIZE_SECONDS = 10.0
SHRINK_PAGES = 1000  # of 4 KB, in one transaction
# A statement that takes longer has met a lock or a server that hangs: the thread is needed for others.
POSTGRESQL_SETTINGS = {"statement_timeout": "60s", "lock_timeout": "30s", "idle_in_transaction_session_timeout": "120s"}
LARGEST_LOG = 64 << 20  # bytes that SQLite's write-ahead log keeps on the disk between checkpoints

logger = logging.getLogger("spatz.store")


class StorageError(RequestError):
    """The database does not answer, or its disk is full. The log has the reason; the client learns that it failed."""

    def __init__(self) -> None:
        super().__init__(
            "The server's storage is not available at the moment.",
            status=503,
            type="server_error",
            code="storage_unavailable",
        )


class Database:
    def __init__(self, url: str) -> None:
        """url: sqlite:///PATH or postgresql+psycopg://... (the spelling postgresql:// works, too)."""
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise ConfigError("database_url: not a database URL") from None
        kind = parsed.get_backend_name()
        if kind not in ("sqlite", "postgresql"):
            raise ConfigError(f"database_url: {kind!r} is not supported: use sqlite or postgresql")
        options: dict[str, Any] = {"pool_size": THREADS, "max_overflow": THREADS, "pool_timeout": POOL_WAIT}
        if kind == "sqlite":
            if not parsed.database or parsed.database == ":memory:" or parsed.query:
                raise ConfigError("database_url: a SQLite database is a file: sqlite:///PATH")
            parsed = parsed.set(drivername="sqlite+pysqlite")
            # isolation_level None: Python begins no transactions of its own accord, _begin does.
            options["connect_args"] = {"timeout": SQLITE_WAIT, "isolation_level": None}
        else:
            parsed = parsed.set(drivername="postgresql+psycopg")
            options |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
        try:
            self.engine = create_engine(parsed, **options)
        except ImportError:
            raise ConfigError("database_url: PostgreSQL needs the extra: pip install 'spatz[postgres]'") from None
        self.kind = kind
        self.path = Path(parsed.database or "") if kind == "sqlite" else None
        self._reads: dict[str, Any] = {"spatz_read": True} if kind == "sqlite" else {"postgresql_readonly": True}
        self._writer = threading.Lock()
        self._size = 0
        self._sized = -SIZE_SECONDS - 1
        if kind == "sqlite":
            event.listen(self.engine, "connect", _set_up_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            event.listen(self.engine, "connect", _set_up_postgresql)
        # One thread that writes to SQLite: it is the queue.
        self._writers = ThreadPoolExecutor(1 if kind == "sqlite" else THREADS, thread_name_prefix="spatz-store")
        self._readers = ThreadPoolExecutor(THREADS, thread_name_prefix="spatz-read") if kind == "sqlite" else None

    @classmethod
    def open(cls, url: str, data_dir: Path) -> Database:
        """The database of the settings, migrated to this version's schema. url "": a file in the data directory.

        Raises ConfigError where it cannot be had.
        """
        from spatz.store.migrate import migrate

        if not url:
            path = data_dir / "spatz.db"
            try:
                data_dir.mkdir(parents=True, exist_ok=True)
                os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))  # it holds what users sent
            except OSError as error:
                raise ConfigError(f"the database {path} cannot be used: {error.strerror or error}") from None
            url = f"sqlite:///{path}"
        database = cls(url)
        try:
            migrate(database)
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Reads and writes, all or nothing. Raises StorageError where the database fails."""
        with _telling(), self._turn(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One view of the data, beside those who write. What it tries to write is an error."""
        with _telling(), self.engine.connect().execution_options(**self._reads) as connection:
            yield connection

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Reads and writes. work is begun in the order of the calls; a caller that is cancelled does not stop it."""

        def whole() -> T:
            with self.transaction() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._writers, whole)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work that only reads: it waits for no writer."""

        def whole() -> T:
            with self.reading() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers or self._writers, whole)

    async def size(self) -> int:
        """Bytes that the data take, at most SIZE_SECONDS old. Room that a deletion has made is not counted."""
        if time.monotonic() - self._sized > SIZE_SECONDS:
            self._size = await self.read(_size)
            self._sized = time.monotonic()
        return self._size

    async def shrink(self) -> bool:
        """Gives the disk back a piece of what was deleted. Whether there may be more; PostgreSQL does it by itself."""
        if self.kind != "sqlite":
            return False
        return await self.run(_shrink)

    def close(self) -> None:
        """What was begun is finished; then the files are closed."""
        self._writers.shutdown()
        if self._readers is not None:
            self._readers.shutdown()
        self.engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self.kind != "sqlite":
            yield
            return
        with self._writer:
            yield


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        # Its first line is the database's own; what follows is the statement, which may hold what users sent.
        logger.error("the database failed: %s", (str(error) or type(error).__name__).splitlines()[0])
        raise StorageError from error
    except (DataError, UnicodeEncodeError):
        # PostgreSQL has no U+0000 in its texts, and neither has half a surrogate pair.
        raise RequestError("The request has text that cannot be stored.", code="invalid_value") from None


def _set_up_sqlite(connection: Any, record: object) -> None:
    cursor = connection.cursor()
    if cursor.execute("PRAGMA page_count").fetchone() == (0,):
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")  # only a new file takes it; others wait for their writer first
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",  # what was committed survives a kill; a loss of power may cost the last moments
        f"journal_size_limit={LARGEST_LOG}",
        "foreign_keys=ON",
        "trusted_schema=OFF",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _size(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
    count, free, bytes_each = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (count - free) * bytes_each


def _shrink(connection: Connection) -> bool:
    free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    # Page by page, each of them a row without columns, which SQLAlchemy does not read.
    raw: Any = connection.connection.dbapi_connection
    raw.execute(f"PRAGMA incremental_vacuum({SHRINK_PAGES})").fetchall()
    left = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    return bool(0 < left < free)  # a file of another make has no vacuum, and stays as it is


def _set_up_postgresql(connection: Any, record: object) -> None:
    # Not as an option of the connection, which poolers in between do not know.
    for name, value in POSTGRESQL_SETTINGS.items():
        connection.execute(f"SET {name} = '{value}'")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("spatz_migrating"):
        # A table that is made anew (batch mode) must not take what refers to it along. To be set outside of a
        # transaction; the connection is thrown away afterwards.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    if options.get("spatz_read"):
        connection.exec_driver_sql("PRAGMA query_only=ON")
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("PRAGMA query_only=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
