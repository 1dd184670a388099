"""`database`: a new database with this version's schema, once as SQLite and once as PostgreSQL.

A test of a store file takes it and runs statements in `with database.transaction() as connection:`. The schema is made
once per kind and copied for each test. `database_url` is the same database for what opens it by its URL.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spatz.store.db import Database


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    Database.open("", folder).close()
    return folder / "spatz.db"


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
