"""What else is on a PDF's page: the lines that are drawn between the text, and the pictures.

Rules are what tables are recognised by; pictures may hold text of their own. Objects within objects (forms, as PDF
calls drawings that are used more than once) are looked at too, to a bounded depth and number. Nothing is rendered here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pypdfium2.raw as pdfium

from spatz.inputs.lines import Box, Rule
from spatz.inputs.pdf_frame import Frame

__all__ = ["Drawn", "read_objects"]

MAX_OBJECTS = 20_000  # of one page: a map may have a million
MAX_RULES = 2_000
MAX_SEGMENTS = 400  # of one path: what has more is a drawing
MAX_DEPTH = 5
THIN = 3.0  # points: what is not higher or wider is a line, however it was drawn

Matrix = tuple[float, float, float, float, float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(slots=True)
class Drawn:
    rules: list[Box] = field(default_factory=list)  # thin boxes, in the page's units
    pictures: list[Box] = field(default_factory=list)  # in the page's units
    paths: int = 0
    more: bool = False  # not everything was looked at

    def rules_in(self, frame: Frame, turns: int) -> list[Rule]:
        """The rules as they lie on a page that is turned by `turns`."""
        rules = []
        for box in self.rules:
            x0, y0, x1, y1 = frame.place(box, turns)
            if x1 - x0 > y1 - y0:
                y0 = y1 = (y0 + y1) / 2
            else:
                x0 = x1 = (x0 + x1) / 2
            rules.append(Rule(x0, y0, x1, y1))
        return rules


def read_objects(page: Any) -> Drawn:
    drawn = Drawn()
    for handle, kind, matrix in objects(page, drawn):
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            box = bounds_of(handle, matrix)
            if box:
                drawn.pictures.append(box)
        elif kind == pdfium.FPDF_PAGEOBJ_SHADING:
            drawn.paths += 1
        elif kind == pdfium.FPDF_PAGEOBJ_PATH:
            drawn.paths += 1
            if len(drawn.rules) < MAX_RULES:
                drawn.rules += path_rules(handle, matrix)[: MAX_RULES - len(drawn.rules)]
    return drawn


def objects(page: Any, drawn: Drawn) -> Iterator[tuple[Any, int, Matrix]]:
    """All objects but text, in the order in which they are drawn, with what turns their units into the page's."""
    left = MAX_OBJECTS
    stack = [(page, 0, pdfium.FPDFPage_CountObjects(page), IDENTITY)]
    while stack:
        holder, index, count, matrix = stack.pop()
        get = pdfium.FPDFPage_GetObject if holder is page else pdfium.FPDFFormObj_GetObject
        while index < count:
            handle = get(holder, index)
            index += 1
            if not handle:
                continue
            left -= 1
            if left < 0:
                drawn.more = True
                return
            kind = pdfium.FPDFPageObj_GetType(handle)
            if kind == pdfium.FPDF_PAGEOBJ_FORM:
                if len(stack) < MAX_DEPTH:
                    stack.append((holder, index, count, matrix))
                    inner = multiply(matrix_of(handle), matrix)
                    stack.append((handle, 0, pdfium.FPDFFormObj_CountObjects(handle), inner))
                    break
                drawn.more = True
            elif kind != pdfium.FPDF_PAGEOBJ_TEXT:
                yield handle, kind, matrix


def path_rules(handle: Any, matrix: Matrix) -> list[Box]:
    """The straight upright and level lines of a path, as boxes without width or height."""
    box = bounds_of(handle, matrix)
    if box is None:
        return []
    if min(box[2] - box[0], box[3] - box[1]) <= THIN:  # most are: a line, or a filled box that looks like one
        return [box] if max(box[2] - box[0], box[3] - box[1]) > THIN else []
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(handle, ctypes.byref(fill), ctypes.byref(stroke))
    count = pdfium.FPDFPath_CountSegments(handle)
    if not stroke.value or not 2 <= count <= MAX_SEGMENTS:
        return []
    matrix = multiply(matrix_of(handle), matrix)
    rules, point, start = [], (0.0, 0.0), (0.0, 0.0)
    x, y = ctypes.c_float(), ctypes.c_float()
    for index in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(handle, index)
        pdfium.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        kind, end = pdfium.FPDFPathSegment_GetType(segment), apply(matrix, x.value, y.value)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = end
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            rules += straight(point, end)
        if kind != pdfium.FPDF_SEGMENT_MOVETO and pdfium.FPDFPathSegment_GetClose(segment):
            rules += straight(end, start)
        point = end
    return rules


def straight(a: tuple[float, float], b: tuple[float, float]) -> list[Box]:
    box = min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])
    width, height = box[2] - box[0], box[3] - box[1]
    return [box] if min(width, height) <= 0.5 and max(width, height) > THIN else []


def bounds_of(handle: Any, matrix: Matrix) -> Box | None:
    """The box of an object in the page's units; None if it has none that a page can have."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if not pdfium.FPDFPageObj_GetBounds(handle, *map(ctypes.byref, (left, bottom, right, top))):
        return None
    x0, y0, x1, y1 = left.value, bottom.value, right.value, top.value
    if matrix is not IDENTITY:
        corners = [apply(matrix, x, y) for x in (x0, x1) for y in (y0, y1)]
        xs, ys = zip(*corners, strict=True)
        x0, y0, x1, y1 = min(xs), min(ys), max(xs), max(ys)
    return (x0, y0, x1, y1) if -1e6 < x0 <= x1 < 1e6 and -1e6 < y0 <= y1 < 1e6 else None


def matrix_of(handle: Any) -> Matrix:
    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(handle, ctypes.byref(matrix)):
        return IDENTITY
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def multiply(m: Matrix, n: Matrix) -> Matrix:
    """First m, then n."""
    return (
        m[0] * n[0] + m[1] * n[2],
        m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2],
        m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4],
        m[4] * n[1] + m[5] * n[3] + n[5],
    )


def apply(m: Matrix, x: float, y: float) -> tuple[float, float]:
    return m[0] * x + m[2] * y + m[4], m[1] * x + m[3] * y + m[5]
