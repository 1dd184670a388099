"""What a JSON text says, without its form: each character of it becomes one character, so that places stay the same.

Values are kept, everything else (braces, commas, keys) becomes line breaks, and what an escape needs beside its
character becomes FILLER. Sentences are then found in it as in any text. Incremental, for answers that are being
written. It checks nothing: what is no JSON is read as well as it can be.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["FILLER", "JsonText", "begins_json"]

FILLER = "\u2060"
"""WORD JOINER: no white space, no letter, and nothing that ends a sentence."""

_ESCAPED = {"n": "\n", "r": "\n", "t": " ", "b": " ", "f": " "}
_DEEPEST = 64  # levels whose kind is remembered; deeper ones are read as lists
_LONGEST_KEY = 80  # characters
_KEYS = 256  # that are remembered at once

_State = Literal["outside", "key", "value"]


def begins_json(text: str) -> bool | None:
    """Whether an answer that begins so is JSON; None: it cannot be told yet."""
    text = text.lstrip()
    if not text:
        return None
    if text[0] not in "{[":
        return False
    second = text[1:].lstrip()
    if not second:
        return None
    return second[0] in ('"}' if text[0] == "{" else '{"')


class JsonText:
    """Of one JSON text. What follows it is left as it is."""

    def __init__(self, at: int) -> None:
        """at: where in the answer it begins."""
        self.end: int | None = None  # where in the answer it has ended
        self._at = at
        self._state: _State = "outside"
        self._levels: list[bool] = []  # whether it is an object
        self._wants_key = False
        self._escape = ""  # what has been read of one
        self._key: list[str] = []
        self._keys: list[tuple[int, str]] = []

    def feed(self, text: str) -> str:
        """As many characters as come in."""
        out: list[str] = []
        for at, char in enumerate(text):
            if self.end is not None:
                out.append(text[at:])
                break
            out.append(self._outside(char) if self._state == "outside" else self._inside(char))
            self._at += 1
        return "".join(out)

    def key(self, at: int) -> str:
        """Under which the value at that place of the answer stands. Asked in order: earlier ones are forgotten."""
        last = 0
        for number, (start, _) in enumerate(self._keys):
            if start > at:
                break
            last = number
        del self._keys[:last]
        return self._keys[0][1] if self._keys and self._keys[0][0] <= at else ""

    def _outside(self, char: str) -> str:
        if char == '"':
            self._state = "key" if self._wants_key else "value"
            self._key.clear()
            return "\n"
        if char in "{[":
            self._wants_key = char == "{"
            if len(self._levels) < _DEEPEST:
                self._levels.append(self._wants_key)
        elif char in "}]":
            if self._levels:
                self._levels.pop()
            if not self._levels:
                self.end = self._at + 1
        elif char == ",":
            self._wants_key = bool(self._levels) and self._levels[-1]
        elif char != ":":
            return char if not char.isspace() else "\n"
        return "\n"

    def _inside(self, char: str) -> str:
        said = self._said(char)
        if self._state == "value":
            return said
        if self._state == "key" and said != FILLER and len(self._key) < _LONGEST_KEY:
            self._key.append(said)
        return "\n"

    def _said(self, char: str) -> str:
        if self._escape:
            return self._escaped(char)
        if char == "\\":
            self._escape = char
            return FILLER
        if char != '"':
            return char
        if self._state == "key":
            self._wants_key = False
            self._keys.append((self._at, "".join(self._key).replace("_", " ")))
            del self._keys[:-_KEYS]
        self._state = "outside"
        return "\n"

    def _escaped(self, char: str) -> str:
        self._escape += char
        if self._escape[1] != "u":
            self._escape = ""
            return _ESCAPED.get(char, char)
        if len(self._escape) < 6:
            return FILLER
        digits, self._escape = self._escape[2:], ""
        try:
            said = chr(int(digits, 16))
        except ValueError:
            return FILLER
        return FILLER if "\ud800" <= said <= "\udfff" else said
