"""What happens while a turn is answered. The vocabulary of answer.py, and of everything that renders answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spatz.engine.request import TokenLogprob
from spatz.prompt.turn import ToolCall
from spatz.server.generate import Totals

__all__ = ["CallArguments", "CallDone", "CallStarted", "Event", "Finished", "Reason", "TextDelta"]

Reason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class TextDelta:
    index: int  # of the choice
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class CallStarted:
    index: int
    position: int  # 0, 1, ... among the choice's calls
    id: str  # call_...
    name: str
    kind: Literal["function", "custom"]


@dataclass(frozen=True, slots=True)
class CallArguments:
    index: int
    position: int
    text: str


@dataclass(frozen=True, slots=True)
class CallDone:
    index: int
    position: int
    call: ToolCall  # whole, but in an answer that ends with "length"


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of one choice. usage: on the last one, over all choices."""

    index: int
    reason: Reason
    usage: Totals | None = None


Event = TextDelta | CallStarted | CallArguments | CallDone | Finished
