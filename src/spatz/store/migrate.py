"""The database's schema brought to this version's. Two processes that start at once do not collide.

Migrations are a chain of files whose names begin with their number. Where the database has the last one already, as it
has at nearly every start, that is seen without Alembic, whose import alone takes longer than the rest of the start.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from spatz.errors import ConfigError
from spatz.store.db import Database

__all__ = ["head", "migrate"]

MIGRATIONS = Path(__file__).parent / "migrations"
CHECK_SECONDS = 0.2  # what a start may spend on looking for damage: a few hundred MB are read in it
ADVISORY_LOCK = 0x5370_6174_7A  # PostgreSQL's locks are numbers: "Spatz"

logger = logging.getLogger("spatz.store")


def migrate(database: Database) -> None:
    """Raises ConfigError where the database cannot be opened, is damaged, or is of a newer version."""
    where = f"the database {database.path}" if database.path else "the database"
    try:
        if database.path:
            _check_file(database)
        if _version(database) != head():
            _upgrade(database)
    except SQLAlchemyError as error:
        raise ConfigError(f"{where} cannot be used: {_reason(error)}") from error
    except ConfigError as error:
        raise ConfigError(f"{where} cannot be used: {error}") from error


def head() -> str:
    """The number of the last migration."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _version(database: Database) -> str | None:
    """The database's number; None for a new one. Raises ConfigError for one that only a newer version knows."""
    with database.engine.connect().execution_options(spatz_read=True) as connection:
        try:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except SQLAlchemyError as error:
            if _is_missing_table(error):
                return None
            raise
    if found is not None and str(found) > head():
        raise ConfigError(f"it is of a newer version of Spatz (schema {found}; this one knows {head()})")
    return None if found is None else str(found)


def _is_missing_table(error: SQLAlchemyError) -> bool:
    return "no such table" in str(error) or 'relation "alembic_version" does not exist' in str(error)


def _upgrade(database: Database) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    connection = database.engine.connect().execution_options(spatz_migrating=True)
    try:
        with connection.begin():
            if database.kind == "postgresql":  # SQLite's transaction has the file's lock already
                connection.execute(text("SET LOCAL statement_timeout = 0"))  # a large table takes its time
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigError(str(error)) from error
    finally:
        if not connection.closed:
            connection.invalidate()
        connection.close()
    logger.info("the database has schema %s", head())


def _check_file(database: Database) -> None:
    """Looks for damage of SQLite's file, for a bounded time."""
    until = time.monotonic() + CHECK_SECONDS
    with database.engine.connect().execution_options(spatz_read=True) as connection:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_progress_handler(lambda: time.monotonic() > until, 10_000)
        try:
            found = raw.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise ConfigError(str(error)) from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(str(error)) from error
        else:
            if found != ("ok",):
                raise ConfigError(f"its file is damaged ({str(found[0]).splitlines()[0] if found else 'no answer'})")
        finally:
            raw.set_progress_handler(None, 0)


def _reason(error: SQLAlchemyError) -> str:
    """The database's own words, without the statement and without the URL, which may hold a password."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
