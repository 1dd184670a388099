"""Who asks: the key behind a request, as the gate found it. What is stored belongs to one caller, seen by no other.

The gate puts it into the scope (`spatz.caller`); everything that runs on behalf of a request carries it along.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from spatz.engine.request import Priority

__all__ = ["Caller", "caller_of"]


@dataclass(frozen=True, slots=True)
class Caller:
    """owner: the id of the key, "" for a server without keys: the column `owner` of everything that is stored."""

    owner: str = ""
    name: str = ""
    priority: Priority = Priority.LIVE  # BACKGROUND for the lines of a batch


def caller_of(request: Request) -> Caller:
    caller: Caller = request.scope["spatz.caller"]
    return caller
