"""The first and last pieces of a long text: its paragraphs, its lines if those are too long, else its sentences.

Looks at a few hundred tokens of either end, whatever the length between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spatz.context.word_forms import WordForms

__all__ = ["first_texts", "last_texts"]

_SENTENCE_ENDS = (b".", b"!", b"?", b":", b"\xe3\x80\x82", b"\xef\xbc\x9f", b"\xef\xbc\x81")


def first_texts(
    tokens: NDArray[np.int32], start: int, end: int, forms: WordForms, most: int
) -> Iterator[tuple[int, int]]:
    """Token ranges [from, to) of the first pieces, in order. None is longer than most, or cut by what was looked at."""
    near = tokens[start : min(end, start + 2 * most)]
    cuts = _cuts(near, forms, most)
    yield from ((start + first, start + last) for first, last in pairwise([0, *cuts]))


def last_texts(
    tokens: NDArray[np.int32], start: int, end: int, forms: WordForms, most: int
) -> Iterator[tuple[int, int]]:
    """The same of the last pieces, last first."""
    begin = max(start, end - 2 * most)
    near = tokens[begin:end]
    while len(near) and forms.blank[near[-1]]:
        near = near[:-1]
    cuts = [begin + cut for cut in _cuts(near, forms, most)]
    yield from reversed(list(pairwise([*cuts, end])))


def _cuts(near: NDArray[np.int32], forms: WordForms, most: int) -> list[int]:
    """Where pieces end: paragraphs; where those are long, lines; and where those are, sentences. Not at either end."""
    cuts: list[int] = []
    for ends in (_paragraph_ends, _line_ends, _sentence_ends):
        finer = [
            first + cut
            for first, last in pairwise([0, *cuts, len(near)])
            if last - first > most // 2
            for cut in ends(near[first:last], forms)
            if 0 < cut < last - first
        ]
        cuts = sorted({*cuts, *finer})
    return cuts


def _line_ends(near: NDArray[np.int32], forms: WordForms) -> list[int]:
    """Behind line breaks, of several the last."""
    breaks = forms.breaks_line[near]
    return (np.flatnonzero(breaks[:-1] & ~(breaks & forms.blank[near])[1:]) + 1).tolist()


def _paragraph_ends(near: NDArray[np.int32], forms: WordForms) -> list[int]:
    """Behind blank lines: two line breaks with nothing but white space between them."""
    found: list[int] = []
    seen = 0
    for at, token in enumerate(near.tolist()):
        data = forms.bytes[token]
        if forms.blank[token]:
            seen += data.count(b"\n")
        else:
            if seen >= 2:
                found.append(at)
            # A token may end a line: ".\n"
            body = data.rstrip()
            seen = data[len(body) :].count(b"\n")
    return found


def _sentence_ends(near: NDArray[np.int32], forms: WordForms) -> list[int]:
    near_list = near.tolist()
    return [
        at + 1
        for at in range(len(near_list) - 1)
        if forms.bytes[near_list[at]].rstrip().endswith(_SENTENCE_ENDS)
        and forms.bytes[near_list[at + 1]][:1] in (b" ", b"\n", b"\t")
    ]
