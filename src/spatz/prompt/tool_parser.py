"""Reads tool calls out of an answer while it is being written: text in, pieces of text and of calls out.

The grammar (tool_grammar.py) has seen to it that a call is written in the dialect's one form, so this only has to find
its parts. What only looks like the beginning of a call, and turns out not to be one, is given out as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from spatz.prompt.dialect import INPUT, INPUT_END, Dialect

__all__ = ["CallBegin", "CallEnd", "CallParser", "CallText", "Piece", "PlainText"]

Kind = Literal["function", "custom"]


@dataclass(frozen=True, slots=True)
class PlainText:
    text: str


@dataclass(frozen=True, slots=True)
class CallBegin:
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class CallText:
    """A piece of the arguments, or of a custom tool's input."""

    text: str


@dataclass(frozen=True, slots=True)
class CallEnd:
    whole: bool  # False: the answer ended inside the call


Piece = PlainText | CallBegin | CallText | CallEnd


class CallParser:
    """Of one answer. `feed` and `end` give pieces; what may yet become part of a call is held back."""

    def __init__(self, dialect: Dialect, tools: Mapping[str, Kind]) -> None:
        self._dialect = dialect
        self._heads: dict[str, tuple[str, Kind]] = {
            f"{dialect.head}{name}{INPUT if kind == 'custom' else dialect.middle}": (name, kind)
            for name, kind in tools.items()
        }
        self._buffer = ""
        self._state: Literal["text", "arguments", "input", "after"] = "text"
        self._calls = 0
        self._said = False  # text that is more than white space was given out
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def feed(self, text: str) -> list[Piece]:
        self._buffer += text
        pieces: list[Piece] = []
        while self._step(pieces):
            pass
        return pieces

    def end(self) -> list[Piece]:
        """The answer is over: what was held back."""
        rest, self._buffer = self._buffer, ""
        if self._state == "arguments":
            return [CallEnd(False)]
        if self._state == "input":
            return [*([CallText(rest)] if rest else []), CallEnd(False)]
        # After a call, and in the head of one that was cut off, there is nothing to say.
        begun = rest.lstrip().startswith(self._dialect.trigger) and self._may_begin(rest.lstrip())
        return [PlainText(rest)] if rest and self._state == "text" and not self._calls and not begun else []

    def _step(self, pieces: list[Piece]) -> bool:
        """Take something from the buffer. False: more text is needed."""
        if not self._buffer:
            return False
        if self._state == "text":
            return self._text(pieces)
        if self._state == "arguments":
            return self._arguments(pieces)
        if self._state == "input":
            return self._input(pieces)
        return self._after()

    def _text(self, pieces: list[Piece]) -> bool:
        at = self._candidate()
        if at < 0:
            self._say(self._buffer, pieces)
            self._buffer = ""
            return False
        call = self._buffer[at:].lstrip()
        for head, (name, kind) in self._heads.items():
            if call.startswith(head):
                if self._said or self._buffer[:at].strip():
                    self._say(self._buffer[:at], pieces)
                pieces.append(CallBegin(name, kind))
                self._calls += 1
                self._buffer = call[len(head) :]
                self._state = "input" if kind == "custom" else "arguments"
                self._depth, self._quoted, self._escaped = 0, False, False
                return True
        if at:
            self._say(self._buffer[:at], pieces)
            self._buffer = self._buffer[at:]
        return False

    def _candidate(self) -> int:
        """Where a call begins or may begin (with the white space before it); -1 if everything is text."""
        text = self._buffer
        if not self._dialect.anywhere:
            begun = text.lstrip()
            return 0 if not self._said and (not begun or self._may_begin(begun)) else -1
        first = self._dialect.head[0]
        at = text.find(first)
        while at >= 0 and not self._may_begin(text[at:]):
            at = text.find(first, at + 1)
        # White space belongs to what follows: before a call it is not part of the text.
        start = len((text[:at] if at >= 0 else text).rstrip())
        return start if start < len(text) else -1

    def _may_begin(self, text: str) -> bool:
        if text[0] != self._dialect.head[0]:
            return False
        return any(text.startswith(head) or head.startswith(text) for head in self._heads)

    def _say(self, text: str, pieces: list[Piece]) -> None:
        if text:
            self._said = self._said or bool(text.strip())
            pieces.append(PlainText(text))

    def _arguments(self, pieces: list[Piece]) -> bool:
        for at, character in enumerate(self._buffer):
            if self._quoted:
                if self._escaped:
                    self._escaped = False
                elif character == "\\":
                    self._escaped = True
                elif character == '"':
                    self._quoted = False
            elif character == '"':
                self._quoted = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    return self._finish(at + 1, at + 1, pieces)
        pieces.append(CallText(self._buffer))
        self._buffer = ""
        return False

    def _input(self, pieces: list[Piece]) -> bool:
        at = self._buffer.find(INPUT_END)
        if at >= 0:
            return self._finish(at, at + len(INPUT_END), pieces)
        held = next((n for n in range(len(INPUT_END) - 1, 0, -1) if self._buffer.endswith(INPUT_END[:n])), 0)
        safe = len(self._buffer) - held
        if safe:
            pieces.append(CallText(self._buffer[:safe]))
            self._buffer = self._buffer[safe:]
        return False

    def _finish(self, end: int, rest: int, pieces: list[Piece]) -> bool:
        if end:
            pieces.append(CallText(self._buffer[:end]))
        pieces.append(CallEnd(True))
        self._buffer = self._buffer[rest:]
        self._state = "after"
        return True

    def _after(self) -> bool:
        """The tail, and what stands between calls, are nobody's text."""
        head = self._dialect.head
        start = self._buffer.find(head)
        if start < 0:
            held = next((n for n in range(len(head) - 1, 0, -1) if self._buffer.endswith(head[:n])), 0)
            self._buffer = self._buffer[len(self._buffer) - held :]
            return False
        self._buffer = self._buffer[start:]
        self._state = "text"
        return True
