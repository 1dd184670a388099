"""Lines side by side: rows by a common middle, columns by the gaps that run through all rows.

The vocabulary of layout.py, tables.py and paragraphs.py. Nothing here decides what is a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from spatz.inputs.lines import Box, Line, bounds

__all__ = ["Cover", "Row", "column_of", "joined", "pair_labels", "rows_of"]

_LABEL: Final = re.compile(r"[^\W\d].*:$|^[^\W\d]$")
_REACH: Final = 30.0  # sizes between a label and its value


@dataclass(frozen=True, slots=True)
class Row:
    lines: tuple[Line, ...]  # from left to right
    box: Box

    @property
    def middle(self) -> float:
        return (self.box[1] + self.box[3]) / 2

    @property
    def size(self) -> float:
        return max(line.height for line in self.lines)

    @property
    def text(self) -> str:
        return joined(self.lines)


def joined(lines: Iterable[Line]) -> str:
    return " ".join(line.text for line in lines)


def rows_of(lines: Sequence[Line]) -> list[Row]:
    """From top to bottom. Two lines share a row where their middles lie within a third of the smaller one's size."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.middle):
        # The last row's lines only: a row that creeps downwards from line to line is none.
        if rows and _beside(rows[-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [Row(tuple(sorted(row, key=lambda line: line.box[0])), bounds([line.box for line in row])) for row in rows]


def _beside(row: Sequence[Line], line: Line) -> bool:
    first, x0, x1 = row[0], line.box[0], line.box[2]
    near = 0.45 * min(first.height, line.height) + 0.08 * max(first.height, line.height)
    if line.middle - first.middle > near:
        return False
    return all(other.box[2] <= x0 + near or other.box[0] >= x1 - near for other in row)


def pair_labels(lines: Sequence[Line]) -> list[Line]:
    """A label that ends with a colon and what stands to its right become one line: `Invoice number: 12345`."""
    paired = []
    for row in rows_of(lines):
        left: Line | None = None
        for line in row.lines:
            if left is not None and _labels(left, line):
                left = replace(
                    left,
                    text=f"{left.text} {line.text}",
                    box=bounds([left.box, line.box]),
                    confidence=_less(left.confidence, line.confidence),
                    bold=left.bold and line.bold,
                )
                continue
            if left is not None:
                paired.append(left)
            left = line
        if left is not None:
            paired.append(left)
    return paired


def _labels(left: Line, right: Line) -> bool:
    if not left.text.endswith(":") or not _LABEL.search(left.text) or right.text.endswith(":"):
        return False
    return right.box[0] - left.box[2] < _REACH * left.height


def _less(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


class Cover:
    """The stretches of a width that lines take, and the gutters between them."""

    def __init__(self, least: float, stretches: Iterable[tuple[float, float]] = ()) -> None:
        """least: width from which on a gap is a gutter."""
        self.least = least
        self.stretches: list[tuple[float, float]] = []
        self.add(stretches)

    def add(self, stretches: Iterable[tuple[float, float]]) -> None:
        merged: list[tuple[float, float]] = []
        for x0, x1 in sorted([*self.stretches, *stretches]):
            if merged and x0 - merged[-1][1] < self.least:
                merged[-1] = merged[-1][0], max(merged[-1][1], x1)
            else:
                merged.append((x0, x1))
        self.stretches = merged

    def with_lines(self, lines: Iterable[Line]) -> Cover:
        cover = Cover(self.least)
        cover.stretches = self.stretches
        cover.add((line.box[0], line.box[2]) for line in lines)
        return cover

    @property
    def gutters(self) -> int:
        return max(0, len(self.stretches) - 1)


def column_of(line: Line, columns: Sequence[tuple[float, float]]) -> int:
    """The column that holds the line's middle, or is nearest to it."""
    middle = (line.box[0] + line.box[2]) / 2
    return min(range(len(columns)), key=lambda i: max(columns[i][0] - middle, middle - columns[i][1], 0.0))
