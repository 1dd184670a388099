"""Page text is data: what on a page speaks to a model instead of its readers is left out before a model sees it.

Sits between reading a page and splitting it. orders.py knows the words of orders, markup.py what imitates a prompt,
disguise.py how either is hidden; here the sentences and lines that they stand in are taken out. It is one layer of
several: the passages are delimited in the prompt, and after a search no call of a tool is followed.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable

from spatz.inputs.unseen import without_unseen
from spatz.search.disguise import disguised, fold
from spatz.search.markup import imitations
from spatz.search.orders import Words, matches

__all__ = ["cleaned", "speaks_to_model"]

MOST_LINES = 60  # of a paragraph, that are left out behind an order

_SENTENCE = re.compile(r"[.!?\u3002\uff01\uff1f]+[\"'\u201d\u2019)\]*_`]*(?=\s)\s*")
_ALT = re.compile(r"[ ]?\[Image: [^\[\]\n]*\]")  # as inputs/html_markdown.py writes what an image is called
_NEWLINE = re.compile(r"\n")
_EMPTY = re.compile(r"[\s>*+|#:.\"'_~-]*\Z")
_BLANKS = re.compile(r"\n{3,}")

Span = tuple[int, int]


def cleaned(markdown: str) -> tuple[str, int]:
    """The text without what speaks to a model, and how many sentences and lines were left out.

    Nor is there in it what no reader sees: characters without a shape, and what images are called.
    """
    text = without_unseen(_ALT.sub("", markdown) if "[Image: " in markdown else markdown)
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    folded = fold(text)
    words = Words.of(folded)
    found = [*matches(folded, words), *imitations(text, words)]
    found += [(place, place + 1, True) for place in disguised(text, folded, words, _speaks)]
    if not found:
        return text, 0
    spans, count = _Pieces(text).spans(found)
    return _without(text, spans), count


def speaks_to_model(text: str) -> bool:
    """Of one sentence or title."""
    return cleaned(text)[1] > 0


def _speaks(folded: str) -> bool:
    return next(matches(folded, Words.of(folded)), None) is not None


class _Pieces:
    """A text's lines, and the sentences of those that are looked at."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(line.end() for line in _NEWLINE.finditer(text))]
        self._sentences: dict[int, list[int]] = {}  # line -> starts of its sentences

    def spans(self, found: Iterable[tuple[int, int, bool]]) -> tuple[list[Span], int]:
        """The pieces that what was found touches, and how many they are."""
        pieces: dict[int, int] = {}  # start -> end
        done = -1  # the last line of a paragraph that is left out already
        for start, end, rest in sorted(found, key=lambda item: item[0]):
            line, last = self._line(start), self._line(max(start, end - 1))
            if line <= done and last <= done:
                continue
            if rest:
                last = self._paragraph_end(last)
                done = max(done, last)
                end = self._end(last)
            for number in range(line, last + 1):
                for piece, piece_end in self._pieces(number):
                    if piece < end and piece_end > start:
                        pieces[piece] = piece_end
        return sorted(pieces.items()), len(pieces)

    def _line(self, place: int) -> int:
        return bisect_right(self._starts, place) - 1

    def _end(self, line: int) -> int:
        return self._starts[line + 1] if line + 1 < len(self._starts) else len(self._text)

    def _paragraph_end(self, line: int) -> int:
        """The last line before a blank one, a heading or the mark of a code block."""
        for number in range(line + 1, min(len(self._starts), line + MOST_LINES)):
            head = self._text[self._starts[number] : self._end(number)].lstrip()[:3]
            if not head or head.startswith(("```", "~~~", "#")):
                return number - 1
        return min(len(self._starts) - 1, line + MOST_LINES - 1)

    def _pieces(self, line: int) -> list[Span]:
        """Sentences; a table's row, a heading and the like are one."""
        starts = self._sentences.get(line)
        start, end = self._starts[line], self._end(line)
        if starts is None:
            head = self._text[start : start + 8].lstrip()
            whole = head.startswith(("|", "#", "```", "~~~"))
            starts = (
                [start]
                if whole
                else [start, *(m.end() for m in _SENTENCE.finditer(self._text, start, end) if m.end() < end)]
            )
            self._sentences[line] = starts
        return list(zip(starts, [*starts[1:], end], strict=True))


def _without(text: str, spans: list[Span]) -> str:
    parts: list[str] = []
    at = 0
    for start, end in spans:
        part = text[at:start]
        line_start = part.rfind("\n") + 1
        ended = text[end - 1 : end] == "\n"
        # What is left of its line: only a mark of a list, or nothing.
        if ended and (line_start or at == 0 or text[at - 1] == "\n") and _EMPTY.match(part[line_start:]):
            part = part[:line_start]
        elif ended:
            part = part.rstrip(" ") + "\n"
        parts.append(part)
        at = end
    parts.append(text[at:])
    return _BLANKS.sub("\n\n", "".join(parts)).strip("\n")
