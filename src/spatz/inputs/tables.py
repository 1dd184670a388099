"""Tables: lines within drawn grids, or in rows under each other -> cells -> Markdown.

A drawn grid says what the cells are, also where one spans several. Without one, columns are the gaps that run through
all rows, and a row that only continues the text above it belongs to it. layout.py decides which rows are tried.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from spatz.inputs.lines import Box, Line, Rule, Sheet, bounds
from spatz.inputs.rows import Row, column_of, joined, rows_of

__all__ = ["Table", "ruled_tables", "table_of"]

_NUMBER: Final = re.compile(r"^[^\w\s]{0,3}\s?\d[\d.,:'’/ \-]*\s?(?:[%€$£¥°]|[A-Za-z]{1,3}\.?)?$|^[-–—]$")  # noqa: RUF001
_MOST_CELLS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Table:
    box: Box
    rows: tuple[tuple[str, ...], ...]  # all of the same length

    @property
    def markdown(self) -> str:
        head, *body = self.rows
        marks = []
        for column in range(len(head)):
            values = [row[column] for row in body if row[column]]
            numbers = sum(bool(_NUMBER.match(value)) for value in values)
            marks.append("---:" if values and numbers >= 0.8 * len(values) else "---")
        lines = [_markdown_row(head), _markdown_row(marks), *(_markdown_row(row) for row in body)]
        return "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def ruled_tables(sheet: Sheet) -> tuple[list[Table], list[Line]]:
    """The tables within drawn lines, and the lines of text outside of them."""
    tables = []
    rest = list(sheet.lines)
    for rules in _clusters(sheet.rules, _reach(sheet)):
        table, inside = _grid(rules, rest, _reach(sheet))
        if table is not None:
            tables.append(table)
            taken = {id(line) for line in inside}
            rest = [line for line in rest if id(line) not in taken]
    return tables, rest


def _reach(sheet: Sheet) -> float:
    """How far two drawn lines may miss each other and still touch."""
    sizes = [line.height for line in sheet.lines]
    return 0.4 * median(sizes) if sizes else 3.0


def _clusters(rules: Sequence[Rule], reach: float) -> list[list[Rule]]:
    """Rules that touch each other, directly or by others."""
    lying = sorted((rule for rule in rules if not rule.upright), key=lambda rule: rule.y0)[:400]
    upright = [rule for rule in rules if rule.upright][:400]
    clusters: list[list[Rule]] = []
    open_rules = {id(rule): rule for rule in lying}
    standing = {id(rule): rule for rule in upright}
    while open_rules:
        _, seed = open_rules.popitem()
        cluster, todo = [seed], [seed]
        while todo:
            rule = todo.pop()
            others = open_rules if rule.upright else standing
            for other in [other for other in others.values() if _touch(rule, other, reach)]:
                del others[id(other)]
                cluster.append(other)
                todo.append(other)
        clusters.append(cluster)
    return clusters


def _touch(one: Rule, other: Rule, reach: float) -> bool:
    return (
        one.x0 - reach <= other.x1
        and other.x0 - reach <= one.x1
        and one.y0 - reach <= other.y1
        and other.y0 - reach <= one.y1
    )


def _grid(rules: Sequence[Rule], lines: Sequence[Line], reach: float) -> tuple[Table | None, list[Line]]:
    xs = _levels([rule.x0 for rule in rules if rule.upright], reach)
    ys = _levels([rule.y0 for rule in rules if not rule.upright], reach)
    if len(xs) < 2 or len(ys) < 2 or (len(xs) - 1) * (len(ys) - 1) > _MOST_CELLS:
        return None, []
    left, top = min(rule.x0 for rule in rules), min(rule.y0 for rule in rules)
    right, bottom = max(rule.x1 for rule in rules), max(rule.y1 for rule in rules)
    # Open sides: a table may have no line at its left and right, or none above its head.
    xs = [*([left] if xs[0] - left > 3 * reach else []), *xs, *([right] if right - xs[-1] > 3 * reach else [])]
    ys = [*([top] if ys[0] - top > 3 * reach else []), *ys, *([bottom] if bottom - ys[-1] > 3 * reach else [])]
    inside = [
        line
        for line in lines
        if left < (line.box[0] + line.box[2]) / 2 < right and top < (line.box[1] + line.box[3]) / 2 < bottom
    ]
    columns, bands = list(pairwise(xs)), list(pairwise(ys))
    if len(columns) < 2 or len(inside) < 3:
        return None, []
    walls = _Walls(rules, columns, bands, reach)
    cells: dict[tuple[int, int], list[Line]] = {}
    for line in inside:
        row = _within((line.box[1] + line.box[3]) / 2, bands)
        cells.setdefault(walls.first(row, column_of(line, columns)), []).append(line)
    rows: list[tuple[str, ...]] = []
    for number in range(len(bands)):
        rows += _band_rows([cells.get((number, column), []) for column in range(len(columns))])
    kept = _without_empty(rows)
    if len(kept) < 2 or len(kept[0]) < 2 or len(cells) < 3:
        return None, []
    return Table((left, top, right, bottom), tuple(kept)), inside


def _levels(values: Sequence[float], reach: float) -> list[float]:
    """Distinct positions: both edges of a thick line, and pieces of a broken one, are one."""
    levels: list[list[float]] = []
    for value in sorted(values):
        if levels and value - levels[-1][-1] <= reach:
            levels[-1].append(value)
        else:
            levels.append([value])
    return [sum(level) / len(level) for level in levels]


def _within(value: float, bands: Sequence[tuple[float, float]]) -> int:
    return next((i for i, (_, end) in enumerate(bands) if value < end), len(bands) - 1)


class _Walls:
    """Which neighbouring cells have a drawn line between them; those without are one cell."""

    def __init__(
        self,
        rules: Sequence[Rule],
        columns: Sequence[tuple[float, float]],
        bands: Sequence[tuple[float, float]],
        reach: float,
    ) -> None:
        self._upright = [rule for rule in rules if rule.upright]
        self._columns, self._bands, self._reach = columns, bands, reach

    def first(self, row: int, column: int) -> tuple[int, int]:
        """The leftmost cell of the cells that this one is one with. Rows are never joined: a label at the side that
        spans several rows stands in one of them."""
        top, bottom = self._bands[row]
        while column > 0 and not self._wall(self._columns[column][0], top, bottom):
            column -= 1
        return row, column

    def _wall(self, x: float, top: float, bottom: float) -> bool:
        middle = (top + bottom) / 2
        return any(
            abs(rule.x0 - x) <= self._reach and rule.y0 - self._reach <= middle <= rule.y1 + self._reach
            for rule in self._upright
        )


def _band_rows(cells: Sequence[Sequence[Line]]) -> list[tuple[str, ...]]:
    """The rows between two drawn lines: one, unless several columns have lines of their own on the same heights."""
    per_cell = [rows_of(cell) for cell in cells]
    counts = sorted((len(rows) for rows in per_cell if rows), reverse=True)
    several = len(counts) > 1 and counts[1] > 1 and counts[1] >= 0.6 * counts[0]
    if several:
        everything = rows_of([line for cell in cells for line in cell])
        complete = sum(len(row.lines) >= 2 for row in everything)
        if complete >= 0.6 * len(everything) and complete > 1:
            place = {id(line): number for number, cell in enumerate(cells) for line in cell}
            return _merged([_by_column(row, place, len(cells)) for row in everything], everything)
    return [tuple(" ".join(row.text for row in rows) for rows in per_cell)]


def _by_column(row: Row, place: dict[int, int], columns: int) -> tuple[str, ...]:
    cells: list[list[Line]] = [[] for _ in range(columns)]
    for line in row.lines:
        cells[place[id(line)]].append(line)
    return tuple(joined(cell) for cell in cells)


def table_of(rows: Sequence[Row], columns: Sequence[tuple[float, float]]) -> Table:
    """Rows without drawn lines."""
    place = {id(line): column_of(line, columns) for row in rows for line in row.lines}
    cells = _merged([_by_column(row, place, len(columns)) for row in rows], rows)
    return Table(bounds([row.box for row in rows]), tuple(_without_empty(cells)))


def _merged(cells: Sequence[tuple[str, ...]], rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Rows that continue the text of the row above are put into it: an item's second line."""
    pitches = [below.middle - above.middle for above, below in pairwise(rows)]
    usual = median(pitches) if pitches else 0.0
    merged: list[tuple[str, ...]] = []
    for number, row in enumerate(cells):
        if merged and number > 1 and _continues(row, merged[-1], pitches[number - 1], usual):
            merged[-1] = tuple(f"{above} {below}".strip() for above, below in zip(merged[-1], row, strict=True))
        else:
            merged.append(row)
    return merged


def _continues(row: Sequence[str], above: Sequence[str], pitch: float, usual: float) -> bool:
    filled = [i for i, cell in enumerate(row) if cell]
    if len(filled) * 2 > len(row) or any(_NUMBER.match(row[i]) or not above[i] for i in filled):
        return False
    return pitch < 0.85 * usual or all(row[i][:1].islower() for i in filled)


def _without_empty(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows and columns in which nothing stands are lines that were drawn twice."""
    kept = [row for row in rows if any(row)]
    if not kept:
        return []
    used = [column for column in range(len(kept[0])) if any(row[column] for row in kept)]
    return [tuple(row[column] for column in used) for row in kept]
