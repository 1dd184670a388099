"""Lines that are drawn on a picture, lying and upright: the sides of tables and boxes.

Long thin runs of ink that letters do not have (morphological opening). Which of them make a table is tables.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np

from spatz.inputs.lines import Line, Rule, typical_size
from spatz.inputs.text_detector import Pixels

__all__ = ["find_rules"]

_MOST: Final = 2_000
_MAX_SIDE: Final = 30_000


def find_rules(picture: Pixels, lines: Sequence[Line]) -> list[Rule]:
    """Nothing where there is no text: lines without it are a drawing."""
    size = typical_size(lines)
    if len(lines) < 4 or size <= 0 or max(picture.shape[:2]) > _MAX_SIDE:
        return []
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    reach = min(255, max(15, int(size) | 1))
    around = cv2.blur(grey, (reach, reach))
    # Darker than what is around (lighter, on a dark picture): frames on white and on shaded rows alike.
    contrast = cv2.subtract(around, grey) if float(np.median(grey)) > 100 else cv2.subtract(grey, around)
    dark = (contrast > 14).astype(np.uint8)
    least = max(12, int(2.5 * size))
    return _runs(dark, (least, 1), size) + [
        Rule(rule.y0, rule.x0, rule.y1, rule.x1) for rule in _runs(np.ascontiguousarray(dark.T), (least, 1), size)
    ]


def _runs(dark: Any, kernel: tuple[int, int], size: float) -> list[Rule]:
    # closed by a pixel or two: a thin line in a JPEG has holes
    solid = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((1, 3), np.uint8))
    long = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((kernel[1], kernel[0]), np.uint8))
    long = cv2.dilate(long, np.ones((3, 1), np.uint8))  # a line that is not quite level is one line
    count, _, stats, _ = cv2.connectedComponentsWithStats(long, connectivity=8)
    found = []
    for x, y, width, height, _area in stats[1 : min(count, _MOST)].tolist():
        if height - 2 <= max(4, 0.4 * size) and width > 4 * height:
            middle = y + height / 2
            found.append(Rule(float(x), middle, float(x + width), middle))
    return found
