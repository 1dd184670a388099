"""What was read of a crop -> lines: cut where a wide gap is, with the size of the letters, and tidied.

Where the lines belong is layout.py's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Final

import numpy as np

from spatz.inputs.lines import Line
from spatz.inputs.text_crop import Crop
from spatz.inputs.text_recogniser import Reading

__all__ = ["even_sizes", "letter_size", "lines_of"]

_TELLING: Final = 8  # letters whose mean width says something
_GAP: Final = 1.3  # sizes; cells of a table stand further apart, words do not
# Letters by what they take of the line's height: those below are as high as an x.
_LOW: Final = frozenset("acemnorsuvwxzgpqy.,;:-_~+=<>·•—«»")
_HANGING: Final = frozenset("gjpqy()[]{}|/\\@§$Qç")
_COMMAS: Final = frozenset(",;„_")
_FULL_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0xFFE5: 0xA5}
_EAST_ASIAN: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_SPACES: Final = re.compile(r"\s+")


def lines_of(crop: Crop, reading: Reading, least: float) -> list[Line]:
    """None where less than `least` of the confidence is there."""
    if reading.confidence < least or not reading.text.strip():
        return []
    x0, y0, x1, y1 = crop.box
    if crop.standing:
        return [Line(_tidy(reading.text), crop.box, reading.confidence, x1 - x0)]
    size = letter_size(reading.text, y1 - y0)
    lines = []
    start = 0
    left = x0
    for before, behind in _gaps(crop, _GAP * size):
        middle = crop.margin + crop.span * (before + behind) / 2 / (x1 - x0)
        end = start
        while end < len(reading.places) and reading.places[end] < middle:
            end += 1
        text = _tidy(reading.text[start:end])
        if text and reading.text[end:].strip():
            lines.append(Line(text, (left, y0, x0 + before, y1), reading.confidence, size))
            start, left = end, x0 + behind
    text = _tidy(reading.text[start:])
    if text:
        lines.append(Line(text, (left, y0, x1, y1), reading.confidence, size))
    return lines


def letter_size(text: str, height: float) -> float:
    """The font's size of letters that are `height` from the top of the highest to the bottom of the lowest."""
    letters = set(text) - {" "}
    above = 0.53 if letters <= _LOW else 0.73
    below = 0.21 if letters & _HANGING else 0.13 if letters & _COMMAS else 0.0
    return height / (above + below)


def even_sizes(lines: Sequence[Line]) -> list[Line]:
    """Sizes that a line's width bears out: letters that are large are wide as well, and a speck over a line that makes
    it higher does not make it a heading."""
    widths = [
        (line.box[2] - line.box[0]) / (len(line.text) * line.size) for line in lines if len(line.text) >= _TELLING
    ]
    if not widths:
        return list(lines)
    usual = median(widths)
    even = []
    for line in lines:
        by_width = 1.1 * (line.box[2] - line.box[0]) / (len(line.text) * usual)
        if len(line.text) >= _TELLING and by_width < line.size:
            # no less than four fifths, for faces differ
            line = replace(line, size=max(by_width, 0.8 * line.size))
        even.append(line)
    return even


def _gaps(crop: Crop, least: float) -> list[tuple[int, int]]:
    """Columns [from, to) of the box without ink, wider than least."""
    edges = np.flatnonzero(np.diff(np.concatenate(([1], crop.ink.astype(np.int8), [1]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > least]


def _tidy(text: str) -> str:
    if not _EAST_ASIAN.search(text):
        text = text.translate(_FULL_WIDTH)
    return _SPACES.sub(" ", text).strip()
