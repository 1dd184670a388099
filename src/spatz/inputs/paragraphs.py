"""Rows of one column -> Markdown: paragraphs joined, headings by size, list items, line breaks kept where meant.

Nothing here knows of columns: layout.py has taken them apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from spatz.inputs.rows import Row

__all__ = ["Style", "markdown_of", "style_of"]

_HEADING: Final = 1.22  # times the size of the text
_LONGEST_HEADING: Final = 120
_BULLET: Final = re.compile(r"^[•▪●◦■□‣∙·]\s*(?=\S)|^[-–—*]\s+(?=\S)")  # noqa: RUF001
_NUMBERED: Final = re.compile(r"^(?:\d{1,3}(?:\.\d{1,2})*[.)]|\(?[a-z]\)|\d{1,2}(?:\.\d{1,2})+)\s+\S")
_PAIR: Final = re.compile(r":\s|:$|\s{2}|\d[.,]\d\d\b")  # a label with its value is no heading, unless it is large
_LEADER: Final = re.compile(r"\.{3,}\s*\w{0,5}$")  # up to a page's number: a line of a table of contents
_HYPHENED: Final = re.compile(r"[^\W\d]-$")
_BOUND: Final = frozenset(("und", "oder", "bzw.", "sowie", "bis", "and", "or", "to"))  # Ein- und Ausgang
_NO_WORD: Final = frozenset("-+*/#$>|=<~@")
_PROSE: Final = 38  # characters of a row that is broken because it is full, not because it ends


@dataclass(frozen=True, slots=True)
class Style:
    """What sizes mean on a page."""

    body: float
    headings: tuple[float, ...]  # sizes of headings, the largest first

    def level(self, size: float) -> int:
        """0: text."""
        if not self.body or size < _HEADING * self.body:
            return 0
        nearest = min(range(len(self.headings)), key=lambda i: abs(self.headings[i] - size), default=0)
        return min(nearest + 1, 4)


def style_of(body: float, sizes: Sequence[float]) -> Style:
    """sizes: of all lines."""
    large: list[float] = []
    for size in sorted((size for size in sizes if size >= _HEADING * body), reverse=True):
        if not large or size < 0.88 * large[-1]:
            large.append(size)
    return Style(body, tuple(large[:4]))


def markdown_of(rows: Sequence[Row], style: Style) -> list[str]:
    """Blocks, in order; between them belongs an empty line."""
    if not rows:
        return []
    left, right = min(row.box[0] for row in rows), max(row.box[2] for row in rows)
    pitches = [below.middle - above.middle for above, below in pairwise(rows)]
    usual = median(pitches) if pitches else 0.0
    blocks: list[str] = []
    above: Row | None = None
    item = False  # within a list's item
    for number, row in enumerate(rows):
        text, is_item = _item(row.text)
        level = _level(rows, number, style)
        pitch = row.middle - above.middle if above is not None else 0.0
        if level:
            if (
                above is not None
                and _level(rows, number - 1, style) == level
                and pitch < 1.7 * row.size
                and not is_item
            ):
                blocks[-1] = _glued(blocks[-1], text)
            else:
                blocks.append(f"{'#' * level} {text}")
            item = False
        elif above is None or _level(rows, number - 1, style) or _apart(above, row, pitch, usual):
            blocks.append(text)
            item = is_item
        elif is_item:
            blocks[-1] += f"\n{text}"
            item = True
        elif (item and row.box[0] > left + 0.4 * row.size) or _goes_on(above, row, left, right):
            blocks[-1] = _glued(blocks[-1], text)
        else:
            blocks[-1] += f"\n{text}"
            item = False
        above = row
    return blocks


def _item(text: str) -> tuple[str, bool]:
    bullet = _BULLET.match(text)
    if bullet:
        return f"- {text[bullet.end() :]}", True
    return text, bool(_NUMBERED.match(text))


def _level(rows: Sequence[Row], number: int, style: Style) -> int:
    row = rows[number]
    text = row.text
    if len(text) > _LONGEST_HEADING or not any(letter.isalpha() for letter in text) or _LEADER.search(text[-12:]):
        return 0
    level = style.level(row.size)
    if level and _PAIR.search(text) and row.size < 1.5 * style.body:
        return 0
    if level or not all(line.bold for line in row.lines) or text.endswith((":", ".", ",")):
        return level
    # Bold text alone in its row, over text that is not: a heading in the text's own size.
    below = rows[number + 1] if number + 1 < len(rows) else None
    over_text = below is not None and not any(line.bold for line in below.lines) and len(below.text) > 30
    return min(len(style.headings) + 1, 4) if over_text and len(text) < 80 else 0


def _apart(above: Row, row: Row, pitch: float, usual: float) -> bool:
    """Whether more than a line's usual distance lies between them, or their sizes differ."""
    size = max(above.size, row.size)
    if (
        row.box[0] > above.box[2]
        or row.box[2] < above.box[0]
        or pitch > 2.3 * size
        or (usual and pitch > 1.3 * usual and pitch > 1.4 * size)
    ):
        return True
    return min(above.size, row.size) < 0.78 * size


def _goes_on(above: Row, row: Row, left: float, right: float) -> bool:
    """Whether `above` was broken only because the line was full."""
    if row.box[0] > left + row.size:
        return False  # a paragraph's first line, or lines that end together at the right
    if row.text[0] in _NO_WORD:
        return False  # a listing
    text = above.text
    word = row.text.split(" ", 1)[0]
    width = (row.box[2] - row.box[0]) / max(1, len(row.text)) * (len(word) + 1)
    if above.box[2] + width < right - 0.02 * (right - left):
        return False  # the next word would have fitted
    return len(text) >= _PROSE or row.text[:1].islower() or bool(_HYPHENED.search(text))


def _glued(text: str, more: str) -> str:
    """Put together, and a word that was divided at the line's end is one again."""
    if _HYPHENED.search(text[-2:]) and more[:1].islower() and more.split(" ", 1)[0] not in _BOUND:
        return text[:-1] + more
    return (
        f"{text} {more}"
        if not text.endswith("-") or text.endswith(" -")
        else text + (f" {more}" if more.split(" ", 1)[0] in _BOUND else more)
    )
