"""Who asks: the key behind a request, as the gate found it. What is stored belongs to one caller, seen by no other.

The gate puts it into the scope (`spatz.caller`); everything that runs on behalf of a request carries it along.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from spatz.engine.request import Priority

__all__ = ["Caller", "Limits", "caller_of"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may use (limits.py); 0 is no limit."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    max_concurrent: int = 0


@dataclass(frozen=True, slots=True)
class Caller:
    """owner: the id of the key, "" for a server without keys: the column `owner` of everything that is stored."""

    owner: str = ""
    name: str = ""
    priority: Priority = Priority.LIVE  # BACKGROUND for the lines of a batch
    limits: Limits = Limits()
    admin: bool = False  # may see what is used by all keys; nothing else


def caller_of(request: Request) -> Caller:
    caller: Caller = request.scope["spatz.caller"]
    return caller
