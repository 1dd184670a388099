"""Keeps the text of special tokens in messages from becoming those tokens.

A user who writes "<|im_end|>" must not end their turn. Before a template is rendered, every such text in a message gets
one character exchanged for a stand-in that occurs nowhere else; after the special tokens of the rendered text have been
found, the stand-ins are exchanged back. Templates may trim, split or move the messages in between: lengths and white
space stay as they were. Only the template's own text can hold special tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

__all__ = ["ControlText"]

_PRIVATE = range(0xE000, 0xF900)  # code points that Unicode leaves to private agreement
_PRIVATE_IN_TEXT = re.compile("[\ue000-\uf8ff]")


class ControlText:
    """The special tokens of one vocabulary. Immutable."""

    def __init__(self, special_tokens: Iterable[str]) -> None:
        tokens = sorted({token for token in special_tokens if token}, key=len, reverse=True)
        self._find = re.compile("|".join(map(re.escape, tokens))) if tokens else None
        # Half a token at the edge of a message could be completed by the text beside it.
        self._beginnings = {token[:length] for token in tokens for length in range(1, len(token))}
        self._endings = {token[-length:] for token in tokens for length in range(1, len(token))}
        self._longest = max(map(len, tokens), default=0)
        self._exchanged = sorted({token[0] for token in tokens} | {token[-1] for token in tokens})

    def stand_ins(self, texts: Iterable[str]) -> dict[str, str] | None:
        """Character -> stand-in, for characters that are exchanged. None if the texts use up the private area."""
        written = [text for text in texts if not text.isascii()]
        wanted = len(self._exchanged)
        # To look for one character takes a twentieth of the time that all of them take, and hardly a text has any.
        some = (chr(point) for point in _PRIVATE[: 4 * wanted])
        free = list(islice((one for one in some if not any(one in text for text in written)), wanted))
        if len(free) < wanted:
            used = {found for text in written for found in _PRIVATE_IN_TEXT.findall(text)}
            free = [chr(point) for point in _PRIVATE if chr(point) not in used]
        found = dict(zip(self._exchanged, free, strict=False))
        return found if len(found) == wanted else None

    def disarm(self, text: str, stand_ins: dict[str, str]) -> str:
        """Of the same length, and without a special token, whatever is put beside it."""
        if self._find is None:
            return text
        at = 0
        pieces = []
        while found := self._find.search(text, at):
            # Only one character is taken: another token may begin inside this one.
            pieces += [text[at : found.start()], stand_ins[text[found.start()]]]
            at = found.start() + 1
        text = "".join([*pieces, text[at:]])
        for length in range(min(self._longest, len(text)), 0, -1):
            if text[-length:] in self._beginnings:
                text = text[:-length] + stand_ins[text[-length]] + text[len(text) - length + 1 :]
            if text[:length] in self._endings:
                text = text[: length - 1] + stand_ins[text[length - 1]] + text[length:]
        return text

    def restore(self, text: str, stand_ins: dict[str, str]) -> str:
        """Undo disarm, in any part of a text."""
        if text.isascii():
            return text
        for character, stand_in in stand_ins.items():  # a hundred times as fast as str.translate
            text = text.replace(stand_in, character)
        return text

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """(part, whether it is a special token), in order; of tokens that start at one place, the longest."""
        at = 0
        for found in self._find.finditer(text) if self._find is not None else ():
            if found.start() > at:
                yield text[at : found.start()], False
            yield found.group(), True
            at = found.end()
        if at < len(text):
            yield text[at:], False
