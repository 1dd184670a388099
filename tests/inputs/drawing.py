"""Small pictures with text on them, and lines as a reader would find them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import reportlab
from PIL import Image, ImageDraw, ImageFont

from spatz.inputs.lines import Line

FONTS = Path(reportlab.__file__).parent / "fonts"


def written(
    texts: Sequence[tuple[int, int, str]],
    size: tuple[int, int],
    *,
    points: int = 24,
    paper: Any = "white",
    ink: Any = "black",
    mode: str = "RGB",
) -> Image.Image:
    """Each text at its x and y."""
    image = Image.new(mode, size, paper)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(FONTS / "Vera.ttf"), points)
    for x, y, text in texts:
        draw.text((x, y), text, fill=ink, font=font)
    return image


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def line(text: str, x: float, y: float, *, size: float = 10.0, bold: bool = False) -> Line:
    """Half as wide as high for each letter, its top at y."""
    return Line(text, (x, y, x + 0.5 * size * len(text), y + size), None, size, bold)
