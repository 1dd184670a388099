"""Lines on a page -> Markdown in reading order.

    1. tables within drawn lines are taken out (tables.py)
    2. labels are put before their values (rows.py)
    3. what is left is taken from top to bottom in bands, and neighbouring bands with the same gutters become groups
    4. a group with gutters is a table, a list of pairs, or columns of text; columns are arranged each for itself
    5. a group without is text (paragraphs.py)

It works on a text layer's lines as on recognised ones, in any unit. What a page's header and footer are is not known
here (pdf_furniture.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from spatz.inputs.lines import Line, Sheet, typical_size
from spatz.inputs.paragraphs import Style, markdown_of, style_of
from spatz.inputs.rows import Cover, Row, column_of, pair_labels, rows_of
from spatz.inputs.tables import Table, ruled_tables, table_of

__all__ = ["arrange"]

_GUTTER: Final = 0.9  # sizes; lines have no wider gap within than 1.3
_DEEPEST: Final = 12
_PAIR: Final = re.compile(r"^[^\W\d][^:]{0,40}:\s")


@dataclass(frozen=True, slots=True)
class _Group:
    lines: tuple[Line, ...]
    columns: tuple[tuple[float, float], ...]


def arrange(sheet: Sheet, style: Style | None = None) -> str:
    """Markdown; an empty line between blocks. style: of all pages, where the sheet is one of several."""
    tables, rest = ruled_tables(sheet)
    size = typical_size(sheet.lines)
    style = style or style_of(size, [line.height for line in rest])
    lines = pair_labels(rest)
    # A table takes part in the order as a line of its size.
    stands = {f"\0{number}": table for number, table in enumerate(tables)}
    lines += [Line(name, table.box, size=size) for name, table in stands.items()]
    blocks = _Arrangement(style, stands, size).blocks(lines)
    return "\n\n".join(blocks)


class _Arrangement:
    def __init__(self, style: Style, tables: dict[str, Table], size: float) -> None:
        self._style = style
        self._tables = tables
        self._size = size

    def blocks(self, lines: Sequence[Line], depth: int = 0) -> list[str]:
        blocks: list[str] = []
        for group in self._groups(lines):
            blocks += self._group(group, depth)
        return blocks

    def _groups(self, lines: Sequence[Line]) -> list[_Group]:
        """Bands under each other that keep the same gutters free."""
        groups: list[tuple[list[Line], Cover]] = []
        bottom = 0.0
        for band in _bands(lines):
            cover = Cover(_GUTTER * self._size).with_lines(band)
            top = min(line.box[1] for line in band)
            if groups and not self._is_table(band) and not self._is_table(groups[-1][0]):
                both = groups[-1][1].with_lines(band)
                if both.gutters >= max(groups[-1][1].gutters, cover.gutters) and not self._breaks(
                    groups[-1][0], band, top - bottom
                ):
                    groups[-1][0].extend(band)
                    groups[-1] = groups[-1][0], both
                    bottom = max(line.box[3] for line in band)
                    continue
            groups.append((band, cover))
            bottom = max(line.box[3] for line in band)
        return [_Group(tuple(members), tuple(cover.stretches)) for members, cover in groups]

    def _is_table(self, band: Sequence[Line]) -> bool:
        return len(band) == 1 and band[0].text in self._tables

    def _breaks(self, group: Sequence[Line], band: Sequence[Line], gap: float) -> bool:
        """A heading over columns ends what is above it, though it stands over the first one only."""
        return len(band) == 1 and self._style.level(band[0].height) > 0 and gap > 0.3 * self._size

    def _group(self, group: _Group, depth: int) -> list[str]:
        if len(group.lines) == 1 and group.lines[0].text in self._tables:
            return [self._tables[group.lines[0].text].markdown]
        rows = rows_of(group.lines)
        if len(group.columns) < 2 or depth > _DEEPEST:
            return markdown_of(rows, self._style)
        columns: list[list[Line]] = [[] for _ in group.columns]
        for line in group.lines:
            columns[column_of(line, group.columns)].append(line)
        if sum(_is_prose(column, stretch) for column, stretch in zip(columns, group.columns, strict=True)) >= 2:
            return self._columns(columns, depth)
        apart = _unrelated(group.columns, rows)
        if apart and len(rows[0].lines) > max(len(row.lines) for row in rows[1:]):
            # a bar over both: what is under it is looked at without it
            below = [line for row in rows[1:] for line in row.lines]
            return [*markdown_of(rows[:1], self._style), *self.blocks(below, depth + 1)]
        if apart:
            ends = [0, *apart, len(columns)]
            parts = [[line for column in columns[a:b] for line in column] for a, b in pairwise(ends)]
            return self._columns(parts, depth)
        if not self._text_columns(group.columns, columns, rows):
            return self._rows(rows, group.columns)
        sections = self._sections(group)
        if len(sections) > 1:
            return [block for lines in sections for block in self.blocks(lines, depth + 1)]
        return self._columns(columns, depth)

    def _columns(self, columns: Sequence[Sequence[Line]], depth: int) -> list[str]:
        return [block for column in columns for block in self.blocks(column, depth + 1)]

    def _sections(self, group: _Group) -> list[list[Line]]:
        """What stands beside something else, and what stands in one column with an empty line over or under it: a
        sender at the right and a subject at the left are no columns."""
        sections: list[list[Line]] = []
        single, bottom = False, 0.0
        for band in _bands(group.lines):
            alone = len({column_of(line, group.columns) for line in band}) == 1
            gap = min(line.box[1] for line in band) - bottom
            bottom = max(line.box[3] for line in band)
            if not sections or (gap > 0.8 * self._size and (alone or single)):
                sections.append(band)
                single = alone
            else:
                sections[-1].extend(band)
                single = single and alone
        return sections

    def _text_columns(
        self, stretches: Sequence[tuple[float, float]], columns: Sequence[Sequence[Line]], rows: Sequence[Row]
    ) -> bool:
        """Whether the columns are read one after the other, not row by row."""
        if any(line.text in self._tables for column in columns for line in column):
            return True
        if any(len(column) > 1 and _share_of_pairs(column) > 0.5 for column in columns):
            return True
        together = sum(len({column_of(line, stretches) for line in row.lines}) > 1 for row in rows)
        prose = sum(_is_prose(column, stretch) for column, stretch in zip(columns, stretches, strict=True))
        if prose and len(columns) == 2 and together < 0.7 * min(map(len, columns)):
            return True
        # Rows in which only one column has something are the rule where columns have nothing to do with each other.
        return together < 0.4 * len(rows)

    def _rows(self, rows: Sequence[Row], columns: Sequence[tuple[float, float]]) -> list[str]:
        """A table with what stands over and under it, or pairs."""
        first, last = self._core(rows)
        core = rows[first:last]
        full = sum(len(row.lines) > 1 for row in core)
        if (len(columns) > 2 and full >= 2 and len(core) >= 2) or (len(columns) == 2 and full >= 3 and _has_head(core)):
            table = table_of(core, columns)
            if len(table.rows) >= 2:
                return [
                    *markdown_of(rows[:first], self._style),
                    table.markdown,
                    *markdown_of(rows[last:], self._style),
                ]
        return markdown_of(rows, self._style)

    def _core(self, rows: Sequence[Row]) -> tuple[int, int]:
        """Which rows are the table: those at its ends with a single line are its title or what follows."""
        first, last = 0, len(rows)
        while first < last and len(rows[first].lines) == 1:
            first += 1
        pitches = [b.middle - a.middle for a, b in zip(rows[first:], rows[first + 1 :], strict=False)]
        usual = median(pitches) if pitches else 0.0
        while last > first and len(rows[last - 1].lines) == 1:
            if last - 2 >= first and rows[last - 1].middle - rows[last - 2].middle < 0.85 * usual:
                break  # the last item's second line
            last -= 1
        return first, last


def _bands(lines: Sequence[Line]) -> list[list[Line]]:
    """Cut wherever a level line passes between all of them."""
    bands: list[list[Line]] = []
    bottom = 0.0
    for line in sorted(lines, key=lambda line: line.box[1]):
        # Letters of neighbouring rows may touch by their descenders.
        if bands and line.box[1] < bottom - 0.15 * line.height:
            bands[-1].append(line)
            bottom = max(bottom, line.box[3])
        else:
            bands.append([line])
            bottom = line.box[3]
    return bands


def _unrelated(columns: Sequence[tuple[float, float]], rows: Sequence[Row]) -> list[int]:
    """Gutters whose two sides are at the same height and yet seldom share a row: a menu beside a form. In a table, even
    a column that is mostly empty shares its rows with others. A gutter's number is that of the column behind it."""
    places = [{column_of(line, columns) for line in row.lines} for row in rows]
    found = []
    for gutter in range(1, len(columns)):
        left = [row.middle for row, place in zip(rows, places, strict=True) if min(place) < gutter]
        right = [row.middle for row, place in zip(rows, places, strict=True) if max(place) >= gutter]
        fewer = min(len(left), len(right))
        both = len(left) + len(right) - len(rows)
        shared = min(left[-1], right[-1]) - max(left[0], right[0])
        shorter = min(left[-1] - left[0], right[-1] - right[0])
        if fewer >= 3 and both < 0.55 * fewer and shared > 0.6 * shorter:
            found.append(gutter)
    return found


def _share_of_pairs(lines: Sequence[Line]) -> float:
    return sum(bool(_PAIR.match(line.text)) for line in lines) / len(lines)


def _is_prose(lines: Sequence[Line], stretch: tuple[float, float]) -> bool:
    """Text that runs from line to line: long lines that fill the column, and begin in the midst of sentences."""
    if len(lines) < 3 or median(len(line.text) for line in lines) < 22:
        return False
    if median(line.box[2] - line.box[0] for line in lines) < 0.6 * (stretch[1] - stretch[0]):
        return False
    return sum(line.text[0].islower() for line in lines) >= 0.2 * len(lines)


def _has_head(rows: Sequence[Row]) -> bool:
    """Whether two columns are a table: its first row is set off in bold from rows that are not."""
    head, *body = rows
    return all(line.bold for line in head.lines) and not any(row.lines[0].bold for row in body)
