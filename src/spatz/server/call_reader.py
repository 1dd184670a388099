"""One choice's deltas to events: text as it comes, calls in their parts. The parser of the model's dialect does the
reading; without tools it is not asked.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from spatz.engine.request import Delta, TokenLogprob
from spatz.prompt.dialect import Dialect
from spatz.prompt.tool_parser import CallBegin, CallParser, CallText, Kind, Piece, PlainText
from spatz.prompt.tools import call_kinds, may_answer_text
from spatz.prompt.turn import ToolCall, Turn
from spatz.server.events import CallArguments, CallDone, CallStarted, Event, Reason, TextDelta

__all__ = ["CallReader"]


class CallReader:
    def __init__(self, index: int, turn: Turn, dialect: Dialect, *, named: bool) -> None:
        """turn: as it was decided. named: the client named the tool."""
        kinds = call_kinds(turn)
        self._index = index
        self._parser = CallParser(dialect, kinds) if kinds else None
        self._named = named
        self._text = may_answer_text(turn)
        self._calls = 0
        self._open: tuple[str, str, Kind] | None = None  # id, name, kind
        self._arguments: list[str] = []
        self._logprobs: list[TokenLogprob] = []  # of text that is held back
        self._cut = False

    @property
    def reason(self) -> Reason:
        """When it has ended. The API calls the end of a call that was asked for by name "stop"."""
        if self._cut:
            return "length"
        return "tool_calls" if self._calls and not self._named else "stop"

    def read(self, delta: Delta) -> Iterator[Event]:
        if self._parser is None:
            if delta.text or delta.logprobs:
                yield TextDelta(self._index, delta.text, delta.logprobs)
            return
        self._logprobs += delta.logprobs
        yield from self._events(self._parser.feed(delta.text))

    def end(self, cut: bool) -> Iterator[Event]:
        """cut: at the limit of tokens."""
        self._cut = cut
        if self._parser is not None:
            yield from self._events(self._parser.end())

    def _events(self, pieces: Iterable[Piece]) -> Iterator[Event]:
        for piece in pieces:
            position = self._calls - 1
            if isinstance(piece, PlainText):
                if not self._text:
                    continue  # the first letters of a call that was cut off
                yield TextDelta(self._index, piece.text, tuple(self._logprobs))
                self._logprobs.clear()
            elif isinstance(piece, CallBegin):
                self._calls += 1
                self._open = (f"call_{secrets.token_hex(12)}", piece.name, piece.kind)
                self._arguments = []
                yield CallStarted(self._index, self._calls - 1, *self._open)
            elif isinstance(piece, CallText):
                self._arguments.append(piece.text)
                yield CallArguments(self._index, position, piece.text)
            elif self._open is not None:
                call_id, name, kind = self._open
                yield CallDone(self._index, position, ToolCall(call_id, name, "".join(self._arguments), kind))
                self._open = None
                self._logprobs.clear()
