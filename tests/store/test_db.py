"""The ground of all stores: transactions, many writers, failures that are told, files that only their owner reads."""

from __future__ import annotations

import asyncio
import logging
import random
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from spatz.errors import ConfigError, RequestError
from spatz.store import db
from spatz.store.db import Database, StorageError

THREADS = 64
STEPS = 5


@pytest.fixture
def counter(database: Database) -> Iterator[Database]:
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE counter (n INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))
    yield database


def value(database: Database) -> int:
    with database.reading() as connection:
        found: int = connection.execute(text("SELECT n FROM counter")).scalar_one()
        return found


def count_up(connection: Connection) -> None:
    """Reads first and writes then: what fails in SQLite where a transaction begins as a reader."""
    lock = " FOR UPDATE" if connection.dialect.name == "postgresql" else ""
    before = connection.execute(text("SELECT n FROM counter" + lock)).scalar_one()
    connection.execute(text("UPDATE counter SET n = :n"), {"n": before + 1})


def test_many_writers_neither_fail_nor_lose_anything(counter: Database, database_url: str, tmp_path: Path) -> None:
    other = Database.open(database_url, tmp_path)  # as another process would have it
    start = threading.Barrier(THREADS)

    def work(number: int) -> None:
        start.wait()
        for _ in range(STEPS):
            with (other if number % 2 else counter).transaction() as connection:
                count_up(connection)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS)))
    other.close()
    assert value(counter) == THREADS * STEPS


async def test_many_tasks_of_the_loop_do_not_lose_anything(counter: Database) -> None:
    await asyncio.gather(*(counter.run(count_up) for _ in range(THREADS * STEPS)))
    assert await counter.read(lambda connection: connection.execute(text("SELECT n FROM counter")).scalar()) == 320


def test_a_transaction_that_fails_leaves_nothing(counter: Database) -> None:
    def fail() -> None:
        with counter.transaction() as connection:
            count_up(connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert value(counter) == 0


async def test_reading_waits_for_no_writer(counter: Database) -> None:
    written, done = threading.Event(), threading.Event()

    def write(connection: Connection) -> None:
        count_up(connection)
        written.set()
        assert done.wait(30)

    writing = asyncio.create_task(counter.run(write))
    await asyncio.to_thread(written.wait, 30)
    assert await counter.read(lambda connection: connection.execute(text("SELECT n FROM counter")).scalar()) == 0
    done.set()
    await writing
    assert value(counter) == 1


def test_reading_cannot_write(counter: Database) -> None:
    def write() -> None:
        with counter.reading() as connection:
            connection.execute(text("UPDATE counter SET n = 7"))

    with pytest.raises((StorageError, DBAPIError)):
        write()
    assert value(counter) == 0
    with counter.transaction() as connection:  # the connection that could only read can write again
        count_up(connection)
    assert value(counter) == 1


def test_closing_finishes_what_was_begun(counter: Database, database_url: str, tmp_path: Path) -> None:
    database = Database.open(database_url, tmp_path)
    go = threading.Event()

    def slowly(connection: Connection) -> None:
        assert go.wait(30)
        count_up(connection)

    async def begin() -> None:
        task = asyncio.create_task(database.run(slowly))
        await asyncio.sleep(0)  # it is with the threads now
        go.set()
        await asyncio.to_thread(database.close)
        await task

    asyncio.run(begin())
    assert value(counter) == 1


def test_a_full_disk_is_told_and_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = Database.open("", tmp_path)

    def fill() -> None:
        with database.transaction() as connection:
            connection.execute(text("CREATE TABLE big (data TEXT)"))
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 10}")
            connection.execute(text("INSERT INTO big VALUES (:data)"), {"data": "the user's secret " * 100_000})

    with caplog.at_level(logging.ERROR), pytest.raises(StorageError) as told:
        fill()
    assert told.value.status == 503 and told.value.body()["error"]["code"] == "storage_unavailable"
    assert "full" in caplog.text and "secret" not in caplog.text
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM chat_completions")).scalar() == 0
    database.close()


def test_a_statement_that_hangs_is_ended(
    postgres_copies: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(db.POSTGRESQL_SETTINGS, "lock_timeout", "20ms")
    url = postgres_copies("migrated")
    first, second = Database.open(url, tmp_path), Database.open(url, tmp_path)
    with first.transaction() as connection:
        connection.execute(text("LOCK TABLE chat_completions"))
        with pytest.raises(StorageError), second.transaction() as other:
            other.execute(text("SELECT count(*) FROM chat_completions"))
    with second.transaction() as other:  # and the connection serves again
        assert other.execute(text("SELECT count(*) FROM chat_completions")).scalar() == 0
    first.close()
    second.close()


def test_a_connection_that_was_cut_is_made_anew(postgres_copies: Callable[[str], str], tmp_path: Path) -> None:
    database = Database.open(postgres_copies("migrated"), tmp_path)
    with pytest.raises(StorageError), database.transaction() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with database.transaction() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    database.close()


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    database = Database.open("", tmp_path / "new" / "folder")
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {"spatz.db", "spatz.db-wal", "spatz.db-shm"}
    for path in (tmp_path / "new" / "folder").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    database.close()
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["spatz.db"]


def test_deleted_rows_take_what_belongs_to_them_along(tmp_path: Path) -> None:
    """SQLite minds foreign keys only where it is told to."""
    database = Database.open("", tmp_path)
    with database.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()


@pytest.mark.parametrize(
    "url, words",
    [
        ("nonsense", "not a database URL"),
        ("mysql://localhost/x", "'mysql' is not supported"),
        ("sqlite://", "a SQLite database is a file"),
        ("sqlite:///:memory:", "a SQLite database is a file"),
        ("sqlite:////nowhere/at/all.db", "unable to open"),
        ("postgresql://someone:hunter2@/x?host=/nowhere", "database"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_password(url: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        Database.open(url, tmp_path)
    assert words in str(told.value)
    assert "hunter2" not in str(told.value) and "\n" not in str(told.value)


async def test_the_size_is_that_of_the_data(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "SIZE_SECONDS", -1.0)
    before = await database.size()
    await database.run(lambda connection: connection.execute(text("CREATE TABLE big (data TEXT)")))
    # Of random digits: PostgreSQL packs what repeats itself.
    rows = [{"data": random.Random(number).randbytes(50_000).hex()} for number in range(20)]
    await database.run(lambda connection: connection.execute(text("INSERT INTO big VALUES (:data)"), rows))
    assert before + 1_000_000 < await database.size() < before + 4_000_000
    await database.run(lambda connection: connection.execute(text("DROP TABLE big")))
    assert await database.size() < before + 100_000


async def test_the_size_is_not_asked_for_each_time(database: Database) -> None:
    before = await database.size()
    await database.run(lambda connection: connection.execute(text("CREATE TABLE big (data TEXT)")))
    assert await database.size() == before


def test_a_storage_error_has_the_api_shape() -> None:
    assert isinstance(StorageError(), RequestError)
