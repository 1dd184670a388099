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
        # A model that was not trained on tools repeats itself. Whether a call is new is known when it is whole, so all
        # but the first are held back until then.
        self._distinct = not dialect.trained
        self._held = False
        self._made: set[tuple[str, str]] = set()
        self._calls = 0  # that are done
        self._open: tuple[str, str, Kind] = ("", "", "function")  # id, name, kind
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
            if isinstance(piece, PlainText):
                if not self._text:
                    continue  # the first letters of a call that was cut off
                yield TextDelta(self._index, piece.text, tuple(self._logprobs))
                self._logprobs.clear()
            elif isinstance(piece, CallBegin):
                self._begin(piece)
                if not self._held:
                    yield self._started()
            elif isinstance(piece, CallText):
                self._arguments.append(piece.text)
                if not self._held:
                    yield CallArguments(self._index, self._calls, piece.text)
            else:
                yield from self._end()

    def _begin(self, piece: CallBegin) -> None:
        self._open = (f"call_{secrets.token_hex(12)}", piece.name, piece.kind)
        self._arguments = []
        self._held = self._distinct and self._calls > 0

    def _started(self) -> CallStarted:
        return CallStarted(self._index, self._calls, *self._open)

    def _end(self) -> Iterator[Event]:
        call_id, name, kind = self._open
        arguments = "".join(self._arguments)
        self._logprobs.clear()
        if self._distinct and (name, arguments) in self._made:
            return
        self._made.add((name, arguments))
        if self._held:
            yield self._started()
            yield CallArguments(self._index, self._calls, arguments)
        yield CallDone(self._index, self._calls, ToolCall(call_id, name, arguments, kind))
        self._calls += 1
