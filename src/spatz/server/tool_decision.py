"""Text or a call? Decided before the answer, for a model that was never trained to call tools.

Asked by answer.py where `tool_choice` is auto.
"""

from __future__ import annotations

from spatz.engine.request import Request
from spatz.prompt.tools import chosen
from spatz.prompt.turn import Turn
from spatz.server.served import ServedModel

__all__ = ["decide"]


async def decide(model: ServedModel, turn: Turn, request: Request) -> Turn:
    """The turn with its choice made."""
    return chosen(turn, ())
