"""The embedded model and a server of it, for the tests of what people use; and a PostgreSQL.

The model is found or fetched as `spatz pull` does it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

import postgres as private_postgres
from clients.pages import PAGES
from server.running import RunningServer, serve
from spatz.config import load
from spatz.errors import DownloadError
from spatz.search.index.entry import NewDocument
from spatz.search.index.local_index import LocalIndex
from spatz.weights.catalog import DEFAULT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    return load(environ={key: value for key, value in os.environ.items() if key == "SPATZ_DATA_DIR"}).data_dir


@pytest.fixture(scope="session")
def model_path(data_dir: Path) -> Path:
    """The weights of the embedded model."""
    from spatz.weights.pull import pull, resolve

    try:
        return resolve(DEFAULT, data_dir) or pull(DEFAULT, data_dir, lambda done, total, doing: None)
    except DownloadError as error:
        pytest.skip(f"the embedded model cannot be had: {error}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[private_postgres.Postgres]:
    """A real PostgreSQL, which scripts/test installs."""
    binaries = private_postgres.tools()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: scripts/test does it")
    with private_postgres.running(binaries) as running:
        yield running


@pytest.fixture(scope="session")
def server_dir(model_path: Path, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory of its own, so that what tests store stays out of the user's; the weights are shared. Its index
    holds a few pages that searches find.
    """
    folder = tmp_path_factory.mktemp("served")
    (folder / "models").symlink_to(data_dir / "models", target_is_directory=True)
    LocalIndex(folder / "index").add(NewDocument(page.url, page.title, page.markdown) for page in PAGES)
    return folder


@pytest.fixture(scope="session")
def postgres_copies(postgres: private_postgres.Postgres) -> Iterator[Callable[[str], str]]:
    """make("migrated") or make("template1"): the URL of a new database that is a copy of it."""
    from sqlalchemy import create_engine

    from spatz.store.db import Database

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


@pytest.fixture(scope="session")
def server(server_dir: Path) -> Iterator[RunningServer]:
    """One for all tests that only talk to it. Its end is tested too: it has to be orderly."""
    with serve(server_dir) as running:
        yield running
        assert running.stop() == 0
