"""How well a document was read: character error rate, cells of tables, labels with their values.

Only what is said counts: white space is one space, and Markdown's marks, page marks and the line about an image are
left out. An edit distance counts what is missing, wrong, too much or out of order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from spatz.evals.documents.sample import Table, Truth

__all__ = ["Cells", "Score", "cells", "edit_distance", "pairs_found", "plain", "score", "tables_in"]

_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")
_ABOUT = re.compile(r"^\[(?:page|image|picture)\b[^\]]*\]$", re.IGNORECASE)  # the readers' own lines
_LEAD = re.compile(r"^\s*(?:#{1,6}\s+|[-*+]\s+(?=\S)|>\s+)")
# Marks of one meaning: quotes, dashes, a space that does not break.
_SAME = str.maketrans("\u201c\u201d\u201e\u2018\u2019\u2013\u2014\u00a0", '"""\'\'-- ')
_AROUND = 3  # characters other than letters and digits between a label and its value


@dataclass(frozen=True, slots=True)
class Cells:
    right: int
    found: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Score:
    edits: int
    characters: int  # of the truth
    cells: Cells
    pairs: int  # right
    pairs_wanted: int


def score(markdown: str, truth: Truth) -> Score:
    said = plain(markdown)
    edits, length = min((edit_distance(said, plain(order)), len(plain(order))) for order in truth.orders)
    right = pairs_found(markdown, truth.pairs)
    return Score(edits, length, cells(markdown, truth), right, len(truth.pairs))


def plain(markdown: str) -> str:
    kept = []
    for line in markdown.splitlines():
        if _RULE.match(line) or _ABOUT.match(line.strip()) or line.startswith("```"):
            continue
        line = _LEAD.sub("", line)
        if line.strip().startswith("|"):
            line = re.sub(r"(?<!\\)\|", " ", line)
        kept.append(re.sub(r"\*\*(\S[^*]*)\*\*", r"\1", line))
    text = re.sub(r"\\([\\`*_{}\[\]()#+.!|<>~$-])", r"\1", " ".join(kept))
    return " ".join(unicodedata.normalize("NFC", text).translate(_SAME).split())


def edit_distance(one: str, other: str) -> int:
    """Levenshtein's, by Myers' bit vectors: a Python integer is a column of the matrix, so 3,000 letters take
    milliseconds.
    """
    if not one or not other:
        return max(len(one), len(other))
    places: dict[str, int] = {}
    for place, letter in enumerate(one):
        places[letter] = places.get(letter, 0) | 1 << place
    mask, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    plus, minus, distance = mask, 0, len(one)  # vertical differences of +1 and -1
    for letter in other:
        equal = places.get(letter, 0)
        across = (((equal & plus) + plus) ^ plus) | equal
        up, down = minus | ~(across | plus) & mask, plus & across
        distance += bool(up & last) - bool(down & last)
        up, down = (up << 1 | 1) & mask, (down << 1) & mask
        either = equal | minus
        plus, minus = down | ~(either | up) & mask, up & either
    return distance


def tables_in(markdown: str) -> list[Table]:
    found: list[list[tuple[str, ...]]] = []
    open_ = False
    for line in markdown.splitlines():
        stripped = line.strip()
        if not stripped.startswith("|"):
            open_ = False
        elif not _RULE.match(stripped):
            row = tuple(plain(cell) for cell in re.split(r"(?<!\\)\|", stripped.strip("|")))
            if not open_:
                found.append([])
            found[-1].append(row)
            open_ = True
    return [tuple(rows) for rows in found]


def cells(markdown: str, truth: Truth) -> Cells:
    """A cell is right if its text is, and it stands in its column and in the row of its neighbours.

    Rows of a table that say what stands outside the true one (an invoice's sums) are no error.
    """
    if not truth.tables:
        return Cells(0, 0, 0)
    outside = {_tight(text) for pair in truth.pairs for text in pair}
    read = [tuple(row for row in table if not _all_in(row, outside)) for table in tables_in(markdown)]
    right = found = wanted = 0
    for table in truth.tables:
        matches = [(_matching(table, other), place) for place, other in enumerate(read)]
        best, place = max(matches, default=(0, -1))
        right += best
        wanted += _filled(table)
        if place >= 0 and best:
            found += _filled(read.pop(place))
    return Cells(right, found, wanted)


def _filled(table: Table) -> int:
    return sum(bool(cell.strip()) for row in table for cell in row)


def _all_in(row: Sequence[str], known: set[str]) -> bool:
    texts = [_tight(cell) for cell in row if cell.strip()]
    return bool(texts) and all(text in known for text in texts)


def _matching(true: Table, read: Table) -> int:
    """The most cells that agree when rows are paired in order."""
    best = [0] * (len(read) + 1)
    for row in true:
        above = best
        best = [0]
        for place, other in enumerate(read):
            best.append(max(above[place + 1], best[-1], above[place] + _agreeing(row, other)))
    return best[-1]


def _agreeing(row: Sequence[str], other: Sequence[str]) -> int:
    return sum(bool(cell.strip()) and _tight(cell) == _tight(read) for cell, read in zip(row, other, strict=False))


def pairs_found(markdown: str, pairs: Sequence[tuple[str, str]]) -> int:
    """Labels that are followed by their value: on the same line, in the next cell, or below."""
    text = _tight(plain(markdown))
    return sum(_follows(text, _tight(label), _tight(value)) for label, value in pairs)


def _follows(text: str, label: str, value: str) -> bool:
    pattern = rf"{re.escape(label)}[^\w€$£]{{0,{_AROUND}}}{re.escape(value)}"
    return re.search(pattern, text) is not None


def _tight(text: str) -> str:
    return "".join(plain(text).split())
