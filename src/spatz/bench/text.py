"""Real English text to measure with, the same for the same version of Python, and without a file of our own.

It is Python's documentation and then the sources of its standard library. No part comes twice, so no cache of words or
of prefixes earns more than it would in life.
"""

from __future__ import annotations

import inspect
import pydoc_data.topics
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

__all__ = ["TextTokens", "long_text"]

_TOKENS_AT_ONCE = 500_000  # characters; some 120,000 tokens


def long_text(characters: int) -> str:
    parts = list(pydoc_data.topics.topics.values())
    size = sum(map(len, parts))
    for path in sorted(Path(inspect.__file__).parent.glob("*.py")):
        if size >= characters:
            break
        parts.append(path.read_text(encoding="utf-8"))
        size += len(parts[-1])
    return "\n".join(parts)[:characters]


class Encoder(Protocol):
    """A tokenizer, or what stands for one."""

    def encode(self, text: str, /) -> Sequence[int]: ...


class TextTokens:
    """The text as tokens, given out piece by piece: no piece twice before all of it has been used."""

    def __init__(self, tokenizer: Encoder) -> None:
        self._tokens = list(tokenizer.encode(long_text(_TOKENS_AT_ONCE)))
        self._next = 0

    def take(self, count: int) -> list[int]:
        if count > len(self._tokens):
            raise ValueError(f"there are only {len(self._tokens)} tokens of text")
        if self._next + count > len(self._tokens):
            # An odd step, so that a piece which comes again does not begin where an earlier one did.
            self._next = (self._next * 7 + 13) % 97
        piece = self._tokens[self._next : self._next + count]
        self._next += count
        return piece
