"""The database: SQLite in the data directory, or PostgreSQL by URL. Tables are in the files of what they keep.

Every table is declared on `metadata` and made by a migration (migrations/). Statements are SQLAlchemy's core language,
which both databases speak. Work is a function of a connection, run in one transaction: in the caller's thread with
`transaction`, or from the event loop with `run`, in the store's own threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, MetaData, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from spatz.errors import ConfigError

__all__ = ["Database", "metadata"]

T = TypeVar("T")

metadata = MetaData()

SQLITE_WAIT = 30  # seconds that a writer waits for another


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
        if kind == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        options: dict[str, Any] = {"connect_args": {"timeout": SQLITE_WAIT}} if kind == "sqlite" else {}
        try:
            self.engine = create_engine(parsed, pool_pre_ping=kind == "postgresql", **options)
        except ImportError:
            raise ConfigError("database_url: PostgreSQL needs the extra: pip install 'spatz[postgres]'") from None
        self.kind = kind
        if kind == "sqlite":
            event.listen(self.engine, "connect", _set_up_sqlite)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="spatz-store")

    @classmethod
    def open(cls, url: str, data_dir: Path) -> Database:
        """The database of the settings, migrated to this version's schema. url "": a file in the data directory."""
        from spatz.store.migrate import migrate

        if not url:
            data_dir.mkdir(parents=True, exist_ok=True)
            path = data_dir / "spatz.db"
            path.touch(mode=0o600)  # it holds what users sent
            url = f"sqlite:///{path}"
        database = cls(url)
        migrate(database)
        return database

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            yield connection

    async def run(self, work: Callable[[Connection], T]) -> T:
        def whole() -> T:
            with self.transaction() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._threads, whole)

    def close(self) -> None:
        self._threads.shutdown()
        self.engine.dispose()


def _set_up_sqlite(connection: Any, record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
