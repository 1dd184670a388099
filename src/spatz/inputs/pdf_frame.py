"""Where a PDF's page lies in its own units, which grow upwards, and how it looks when it is turned to be read.

Text may run in another direction than the page: each direction has its own view, in which it runs to the right.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as pdfium

from spatz.inputs.lines import Box

__all__ = ["Frame", "direction", "frame_of"]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a page's visible part lies in its own units, and how it is turned to be read."""

    left: float
    bottom: float
    right: float
    top: float
    turns: int  # quarters, clockwise, as a viewer shows it

    def size(self, turns: int) -> tuple[float, float]:
        """Width and height after `turns` quarter turns."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if turns & 1 else (width, height)

    def place(self, box: Box, turns: int) -> Box:
        """A box of the page's units (y upwards) as seen after `turns` quarter turns (y downwards)."""
        x0, y0, x1, y1 = box
        match turns:
            case 0:
                return x0 - self.left, self.top - y1, x1 - self.left, self.top - y0
            case 1:
                return y0 - self.bottom, x0 - self.left, y1 - self.bottom, x1 - self.left
            case 2:
                return self.right - x1, y0 - self.bottom, self.right - x0, y1 - self.bottom
            case _:
                return self.top - y1, self.right - x1, self.top - y0, self.right - x0


def frame_of(page: Any) -> Frame:
    box = pdfium.FS_RECTF()
    turns = pdfium.FPDFPage_GetRotation(page) % 4
    if pdfium.FPDF_GetPageBoundingBox(page, ctypes.byref(box)) and box.right > box.left and box.top > box.bottom:
        return Frame(box.left, box.bottom, box.right, box.top, turns)
    return Frame(0.0, 0.0, 612.0, 792.0, turns)


def direction(a: float, b: float) -> int:
    """Quarter turns of text along (a, b), counted as `Frame.place` does; -1: it runs obliquely."""
    length = math.hypot(a, b)
    if not 0.0 < length < 1e9:
        return 0
    for turns, (x, y) in enumerate(((1, 0), (0, 1), (-1, 0), (0, -1))):
        if a * x + b * y > 0.985 * length:  # ten degrees: a scan's text layer may stand askew
            return turns
    return -1
