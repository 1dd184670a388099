"""What happens while a turn is answered. The vocabulary of answer.py, and of everything that renders answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from spatz.engine.request import TokenLogprob
from spatz.prompt.turn import ToolCall
from spatz.search.result import SearchResult

if TYPE_CHECKING:
    from spatz.server.generate import Totals  # it imports what `spatz run` can do without

__all__ = [
    "CallArguments",
    "CallDone",
    "CallStarted",
    "Cited",
    "Event",
    "Finished",
    "Reason",
    "SearchAction",
    "SearchDone",
    "SearchStarted",
    "TextDelta",
]

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
class SearchAction:
    """What is done on the web, once for all choices and before their text."""

    kind: Literal["search", "open_page", "find_in_page"]
    queries: tuple[str, ...] = ()  # of a search; the first is the main one
    url: str = ""  # of open_page and find_in_page
    pattern: str = ""  # of find_in_page


@dataclass(frozen=True, slots=True)
class SearchStarted:
    id: str  # ws_...
    action: SearchAction


@dataclass(frozen=True, slots=True)
class SearchDone:
    id: str
    action: SearchAction
    sources: tuple[SearchResult, ...] = ()  # the pages that were found, best first; what was opened, of a page
    failed: bool = False  # nothing came of it; what went wrong is in the usage


@dataclass(frozen=True, slots=True)
class Cited:
    """A page supports characters [start, end) of the choice's text, all of which has been told."""

    index: int
    url: str
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of one choice. usage: on the last one, over all choices."""

    index: int
    reason: Reason
    usage: Totals | None = None


Event = TextDelta | CallStarted | CallArguments | CallDone | SearchStarted | SearchDone | Cited | Finished
