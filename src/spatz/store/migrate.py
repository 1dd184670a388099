"""The database's schema brought to this version's, by Alembic. Two processes that start at once do not collide."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from spatz.errors import ConfigError
from spatz.store.db import Database

__all__ = ["migrate"]

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Raises ConfigError where the database cannot be opened, or is of a newer version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with database.transaction() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except Exception as error:
        raise ConfigError(
            f"the database cannot be used: {(str(error) or type(error).__name__).splitlines()[0]}"
        ) from error
