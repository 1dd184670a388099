"""Room for what is stored in the database. Files have a limit of their own (store/files.py)."""

from __future__ import annotations

from spatz.errors import RequestError
from spatz.server.state import State

__all__ = ["check_room"]


async def check_room(state: State) -> None:
    """To be called before the work for something that is stored begins. Raises RequestError where nothing fits."""
    if await state.database.size() >= state.settings.max_database_mb << 20:
        # Not a 5xx: clients would try again, at once and twice.
        raise RequestError(
            "The storage of this server is full. Delete what is not needed any more, or send 'store': false.",
            status=413,
            code="storage_limit_exceeded",
        )
