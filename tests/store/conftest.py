"""`database`: a new database with this version's schema, once as SQLite and once as PostgreSQL.

A test of a store file takes it and runs statements in `with database.transaction() as connection:`. The schema is made
once per kind and copied for each test. `database_url` is the same database for what opens it by its URL.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from postgres import Postgres
from spatz.store.db import Database


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    Database.open("", folder).close()
    return folder / "spatz.db"


@pytest.fixture(scope="session")
def postgres_copies(postgres: Postgres) -> Iterator[Callable[[str], str]]:
    """make("migrated") or make("template1"): the URL of a new database that is a copy of it."""
    engine = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    numbers = count()

    def make(template: str) -> str:
        name = f"test_{next(numbers)}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return postgres.url(name)

    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE migrated")
    Database.open(postgres.url("migrated"), Path()).close()
    yield make
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Migrated."""
    if request.param == "postgresql":
        make: Callable[[str], str] = request.getfixturevalue("postgres_copies")
        return make("migrated")
    shutil.copyfile(request.getfixturevalue("sqlite_template"), tmp_path / "spatz.db")
    return f"sqlite:///{tmp_path / 'spatz.db'}"


@pytest.fixture
def database(database_url: str, tmp_path: Path) -> Iterator[Database]:
    database = Database.open(database_url, tmp_path)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if request.param == "postgresql":
        make: Callable[[str], str] = request.getfixturevalue("postgres_copies")
        return make("template1")
    return f"sqlite:///{tmp_path / 'empty.db'}"
