"""Monospaced lines under each other are a listing: its line breaks and indents are kept.

A page that is monospaced altogether has no listings.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from spatz.inputs.lines import Line, bounds
from spatz.inputs.pdf_inserts import Inserts
from spatz.inputs.pdf_text import FixedLine
from spatz.inputs.rows import Row, rows_of

__all__ = ["take_out"]

MOST = 0.7  # of a page's letters
PITCH = 3.2  # sizes between two lines of a listing: one may be empty
EMPTY = 1.7  # times the usual distance
MAX_INDENT = 60


def take_out(lines: Sequence[Line], inserts: Inserts) -> list[Line]:
    """The lines, with a stand-in for each listing."""
    fixed = [line for line in lines if isinstance(line, FixedLine)]
    if not fixed or sum(len(line.text) for line in fixed) > MOST * sum(len(line.text) for line in lines):
        return list(lines)
    others = [line for line in lines if not isinstance(line, FixedLine)]
    blocks: list[list[Row]] = []
    for row in rows_of(fixed):
        if any(abs(line.middle - row.middle) < 0.6 * row.size for line in others):
            continue  # a term with its explanation
        if blocks and follows(blocks[-1], row, others):
            blocks[-1].append(row)
        else:
            blocks.append([row])
    kept, gone = list(lines), set[int]()
    for block in blocks:
        if len(block) < 2:
            continue
        gone |= {id(line) for row in block for line in row.lines}
        kept.append(inserts.stand_in(listing(block), bounds([row.box for row in block]), block[0].size))
    return [line for line in kept if id(line) not in gone]


def follows(block: Sequence[Row], row: Row, others: Sequence[Line]) -> bool:
    if row.middle - block[-1].middle > PITCH * row.size or abs(row.size - block[-1].size) > 0.2 * row.size:
        return False
    top, bottom = block[-1].middle, row.middle
    return not any(top < line.middle < bottom for line in others)


def listing(rows: Sequence[Row]) -> str:
    left = min(row.box[0] for row in rows)
    widths = [(line.box[2] - line.box[0]) / len(line.text) for row in rows for line in row.lines]
    width = max(median(widths), 0.1)
    usual = min(below.middle - above.middle for above, below in pairwise(rows))
    texts: list[str] = []
    for number, row in enumerate(rows):
        if number and row.middle - rows[number - 1].middle > EMPTY * usual:
            texts.append("")
        text = ""
        for line in row.lines:
            column = round((line.box[0] - left) / width)
            text += " " * min(MAX_INDENT, max(column - len(text), 1 if text else 0)) + line.text
        texts.append(text)
    fence = "```" if not any("```" in text for text in texts) else "~~~~"
    return "\n".join([fence, *texts, fence])
