"""What Alembic runs for a migration: the caller (migrate.py) gives the connection and owns the transaction."""

from __future__ import annotations

from alembic import context

from spatz.store.db import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
