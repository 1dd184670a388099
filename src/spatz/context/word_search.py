"""Where words stand in a text that is tokens: found in its bytes, so that it does not matter how a word was tokenized.

A vocabulary writes one word in many ways: " octopus" is one token, and ".octopus" three. An index over token ids misses
what a search of the text finds, and for the dozen words of a question that search takes some milliseconds each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatz.context.word_forms import WordForms

__all__ = ["WordSearch"]

MOST_FOUND = 1 << 15  # a word that occurs so often tells nothing
ENDING = 3  # letters that may follow a word: "needles" is found for "needle", and "category" not for "cat"


class WordSearch:
    """tokens: [n] the text. Capital letters of ASCII are small ones."""

    def __init__(self, tokens: NDArray[np.int32], forms: WordForms) -> None:
        self._text = forms.text(tokens).lower()
        self._ends = np.cumsum(forms.lengths[tokens], dtype=np.int64)  # [n] the byte behind each token

    def find(self, word: bytes) -> NDArray[np.int64]:
        """The tokens in which it begins, in order. None at all if it is everywhere."""
        found: list[int] = []
        text, size = self._text, len(word)
        at = text.find(word)
        while at >= 0:
            if not _joined(text[max(0, at - 1) : at], word) and not _goes_on(
                text[at + size : at + size + ENDING + 1], word
            ):
                found.append(at)
                if len(found) > MOST_FOUND:
                    return np.zeros(0, np.int64)
            at = text.find(word, at + size)
        return np.searchsorted(self._ends, np.array(found, np.int64), side="right")


def _joined(before: bytes, word: bytes) -> bool:
    return _is_word(before) and _is_word(word[:1])


def _goes_on(after: bytes, word: bytes) -> bool:
    """Whether it is only the beginning of another word, or of a longer number."""
    if not _is_word(word[-1:]) or not _is_word(after[:1]):
        return False
    if word[-1:].isdigit() or not after[:1].isalpha():
        return True
    return len(after) > ENDING and all(_is_word(after[at : at + 1]) for at in range(len(after)))


def _is_word(byte: bytes) -> bool:
    return byte.isalnum() or byte == b"_" or byte >= b"\x80"
