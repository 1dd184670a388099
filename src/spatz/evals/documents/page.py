"""A page that is drawn: text, paragraphs, tables, boxes, at places counted from the top left, in points.

A thin layer over reportlab, which is imported when a page is made. The fonts are those that every PDF reader has, and
one that reportlab brings and that is put into the file, so a page looks the same on every machine.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["A4", "COURIER", "FONTS", "Font", "Page"]

A4 = (595.276, 841.89)


@dataclass(frozen=True, slots=True)
class Font:
    plain: str
    bold: str


COURIER = Font("Courier", "Courier-Bold")
FONTS = (Font("Helvetica", "Helvetica-Bold"), Font("Times-Roman", "Times-Bold"), Font("Vera", "VeraBd"))


class Page:
    def __init__(self, font: Font, size: tuple[float, float] = A4, paper: str = "#ffffff") -> None:
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.ttfonts import TTFont
        from reportlab.pdfgen.canvas import Canvas

        if font.plain == "Vera":
            for name in (font.plain, font.bold):
                if name not in pdfmetrics.getRegisteredFontNames():
                    pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
        self.font = font
        self.size = size
        self.width, self.height = size
        self._bytes = io.BytesIO()
        # invariant: no dates in the file, the same bytes each time.
        self._canvas: Any = Canvas(self._bytes, pagesize=size, invariant=1)
        if paper != "#ffffff":
            self.box(0, 0, self.width, self.height, fill=paper)

    def measure(self, text: str, size: float, bold: bool = False) -> float:
        return float(self._canvas.stringWidth(text, self._name(bold), size))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 10,
        *,
        bold: bool = False,
        align: str = "left",
        color: str = "#000000",
    ) -> None:
        """y: of the baseline."""
        self._canvas.setFont(self._name(bold), size)
        self._canvas.setFillColor(color)
        draw = {"left": "drawString", "right": "drawRightString", "center": "drawCentredString"}[align]
        getattr(self._canvas, draw)(x, self.height - y, text)

    def lines(self, x: float, y: float, lines: Sequence[str], size: float = 10, leading: float = 1.35) -> float:
        """Returns the baseline of the line after them."""
        for line in lines:
            self.text(x, y, line, size)
            y += size * leading
        return y

    def wrapped(self, text: str, width: float, size: float) -> list[str]:
        lines: list[str] = []
        for word in text.split():
            if lines and self.measure(f"{lines[-1]} {word}", size) <= width:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        return lines

    def paragraph(self, x: float, y: float, text: str, width: float, size: float = 10) -> float:
        """Returns the baseline of the line after it."""
        return self.lines(x, y, self.wrapped(text, width, size), size)

    def line(self, x0: float, y0: float, x1: float, y1: float, width: float = 0.7, color: str = "#000000") -> None:
        self._canvas.setLineWidth(width)
        self._canvas.setStrokeColor(color)
        self._canvas.line(x0, self.height - y0, x1, self.height - y1)

    def box(
        self, x: float, y: float, width: float, height: float, *, fill: str | None = None, stroke: str | None = None
    ) -> None:
        if fill:
            self._canvas.setFillColor(fill)
        if stroke:
            self._canvas.setLineWidth(0.7)
            self._canvas.setStrokeColor(stroke)
        self._canvas.rect(x, self.height - y - height, width, height, fill=int(bool(fill)), stroke=int(bool(stroke)))

    def table(
        self,
        x: float,
        y: float,
        widths: Sequence[float],
        rows: Sequence[Sequence[str]],
        *,
        size: float = 9,
        rules: str = "grid",
        right: Sequence[int] = (),
    ) -> float:
        """rules: "grid", "lines" (below each row), "head" (below the first), "none". right: columns that end on the
        right. Returns the lower edge.
        """
        height = size * 2
        edges = [x + sum(widths[:place]) for place in range(len(widths) + 1)]
        if rules == "grid":
            for edge in edges:
                self.line(edge, y, edge, y + height * len(rows))
            self.line(x, y, edges[-1], y)
        for number, row in enumerate(rows):
            top = y + number * height
            if number == 0 and rules == "grid":
                self.box(x, top, edges[-1] - x, height, fill="#e8e8e8", stroke="#000000")
                for edge in edges:
                    self.line(edge, top, edge, top + height)
            if rules in ("grid", "lines") or (rules == "head" and number == 0):
                self.line(x, top + height, edges[-1], top + height)
            for place, cell in enumerate(row):
                at, align = (edges[place + 1] - 5, "right") if place in right else (edges[place] + 5, "left")
                self.text(at, top + height * 0.66, cell, size, bold=number == 0, align=align)
        return y + height * len(rows)

    def close(self) -> bytes:
        """The PDF."""
        self._canvas.showPage()
        self._canvas.save()
        return self._bytes.getvalue()

    def _name(self, bold: bool) -> str:
        return self.font.bold if bold else self.font.plain
