"""Tokens of a growing text to pieces of str: never half a character.

Used by the engine for each answer, and by Tokenizer.decode. It does not search for stop strings.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

__all__ = ["StreamDecoder"]


class StreamDecoder:
    """The pieces joined are exactly what decoding all tokens at once gives."""

    def __init__(
        self, token_bytes: Callable[[int], bytes], *, hidden: frozenset[int] = frozenset(), strip_space: bool = False
    ) -> None:
        """hidden: tokens that are no part of the text. strip_space: take one space from the front."""
        self._token_bytes = token_bytes
        self._hidden = hidden
        self._strip_space = strip_space
        # Bytes that can never become a character come out as U+FFFD as soon as that is clear.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token: int) -> str:
        """What can be shown now. Empty inside a character, and for hidden tokens."""
        return "" if token in self._hidden else self._take(self._token_bytes(token), final=False)

    def flush(self) -> str:
        """The rest: U+FFFD for a character that was never completed."""
        return self._take(b"", final=True)

    def _take(self, data: bytes, *, final: bool) -> str:
        text = self._decoder.decode(data, final)
        if self._strip_space and text:
            self._strip_space = False
            text = text.removeprefix(" ")
        return text
