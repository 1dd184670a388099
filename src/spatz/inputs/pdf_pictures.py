"""Which parts of a PDF's page have to be read as pictures, and how they look: a whole page that has no usable text
layer, or the pictures between the text. Reading them is image.py's.

A picture that the text layer covers already (a scan that somebody has recognised) is not read again.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pypdfium2.raw as pdfium

from spatz.inputs.document import ReadOptions
from spatz.inputs.lines import Box, Line, bounds
from spatz.inputs.pdf_frame import Frame
from spatz.inputs.pdf_objects import Drawn
from spatz.inputs.pdf_text import TextLayer
from spatz.inputs.picture import pixel_budget

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["is_blank", "pictures_to_read", "render", "whole_page"]

DPI = {"low": 110.0, "auto": 200.0, "high": 300.0}
MAX_SIDE = 12_000
SHARE = 0.03  # of the page, that a picture with text to read has at least
SIDE = 36.0  # points: half an inch
DENSITY = 1 / 2_000  # characters for each square point: 250 on A4, where a page of text has ten times as many
MAX_REGIONS = 12  # of one page
MANY = 400  # pieces of pictures, behind which they are one


def whole_page(layer: TextLayer, drawn: Drawn) -> bool:
    """Whether nothing but its picture tells what a page says; it may still be blank."""
    return not layer.usable and bool(layer.characters or drawn.pictures or drawn.paths or drawn.more)


def pictures_to_read(layer: TextLayer, drawn: Drawn, frame: Frame) -> list[Box]:
    """Places on a page with text, as it is seen: the pictures which that text does not cover."""
    width, height = frame.size(frame.turns)
    boxes = []
    for box in joined([frame.place(box, frame.turns) for box in drawn.pictures]):
        x0, y0, x1, y1 = max(0.0, box[0]), max(0.0, box[1]), min(width, box[2]), min(height, box[3])
        if x1 - x0 < SIDE or y1 - y0 < SIDE / 2 or (x1 - x0) * (y1 - y0) < SHARE * width * height:
            continue
        inside = sum(len(line.text) for line in seen_lines(layer, frame) if within(line, (x0, y0, x1, y1)))
        if inside < DENSITY * (x1 - x0) * (y1 - y0):
            boxes.append((x0, y0, x1, y1))
    boxes.sort(key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))
    return boxes[:MAX_REGIONS]


def seen_lines(layer: TextLayer, frame: Frame) -> Sequence[Line]:
    """Those that run as the page does; the others are few."""
    return layer.lines.get(frame.turns, ()) or layer.lines.get(layer.turns, ())


def within(line: Line, box: Box) -> bool:
    x = (line.box[0] + line.box[2]) / 2
    return box[0] <= x <= box[2] and box[1] <= line.middle <= box[3]


def joined(boxes: Sequence[Box]) -> list[Box]:
    """Scans are often cut into strips: boxes that touch are one."""
    if len(boxes) > MANY:
        return [bounds(boxes)]
    parts: list[Box] = []
    for box in sorted(boxes):
        new = box
        while touching := [other for other in parts if touch(new, other)]:
            parts = [other for other in parts if other not in touching]
            new = bounds([new, *touching])
        parts.append(new)
    return parts


def touch(a: Box, b: Box) -> bool:
    return a[0] <= b[2] + 1 and b[0] <= a[2] + 1 and a[1] <= b[3] + 1 and b[1] <= a[3] + 1


def render(page: Any, form: Any, frame: Frame, box: Box, options: ReadOptions) -> tuple[Image, float]:
    """A place of a page (FPDF_PAGE) as it is seen, in colour, and its pixels for each point."""
    from PIL import Image

    width, height = frame.size(frame.turns)
    wide, high = max(1.0, box[2] - box[0]), max(1.0, box[3] - box[1])
    scale = min(DPI[options.detail] / 72, math.sqrt(options.max_pixels / (wide * high)), MAX_SIDE / max(wide, high))
    pixels = wide * high * scale * scale
    scale *= math.sqrt(min(1.0, pixel_budget(math.ceil(wide * scale), math.ceil(high * scale), options) / pixels))
    columns, rows = max(1, round(wide * scale)), max(1, round(high * scale))
    stride = (3 * columns + 3) // 4 * 4
    data = bytearray(b"\xff" * (stride * rows))  # white paper
    buffer = (ctypes.c_char * len(data)).from_buffer(data)
    bitmap = pdfium.FPDFBitmap_CreateEx(columns, rows, pdfium.FPDFBitmap_BGR, buffer, stride)
    if not bitmap:
        raise MemoryError
    try:
        place = (-round(box[0] * scale), -round(box[1] * scale), round(width * scale), round(height * scale), 0)
        flags = pdfium.FPDF_ANNOT | pdfium.FPDF_REVERSE_BYTE_ORDER | pdfium.FPDF_RENDER_LIMITEDIMAGECACHE
        pdfium.FPDF_RenderPageBitmap(bitmap, page, *place, flags)
        if form is not None:
            pdfium.FPDF_FFLDraw(form, bitmap, page, *place, flags)
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)
    return Image.frombuffer("RGB", (columns, rows), data, "raw", "RGB", stride, 1), scale


def is_blank(image: Image) -> bool:
    """Nothing is on it but one colour."""
    small = image.convert("L").resize((max(1, image.width // 4), max(1, image.height // 4)))
    shades = small.histogram()
    found = [shade for shade, count in enumerate(shades) if count]
    return found[-1] - found[0] < 12
