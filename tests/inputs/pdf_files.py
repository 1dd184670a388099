"""PDFs that the tests read, made by reportlab, and a few that no program would write."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Table

WIDTH, HEIGHT = A4

Draw = Callable[[Canvas], None]


def pdf(*pages: Draw, title: str = "", password: str | None = None, size: tuple[float, float] = A4) -> bytes:
    """A page for each function that draws one. password: "" is what every viewer tries first."""
    file = io.BytesIO()
    encrypt = None if password is None else StandardEncryption(password, ownerPassword="owner", strength=128)
    canvas = Canvas(file, pagesize=size, invariant=1, encrypt=encrypt)
    if title:
        canvas.setTitle(title)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def text(
    *lines: str, x: float = 72, y: float = 72, size: float = 11, font: str = "Helvetica", leading: float = 1.25
) -> Draw:
    """Lines one below the other; y: of the first, from the top."""

    def draw(canvas: Canvas) -> None:
        canvas.setFont(font, size)
        for number, line in enumerate(lines):
            canvas.drawString(x, HEIGHT - y - size - number * size * leading, line)

    return draw


def together(*drawers: Draw) -> Draw:
    def draw(canvas: Canvas) -> None:
        for each in drawers:
            each(canvas)

    return draw


def table(
    rows: Sequence[Sequence[str]], *, x: float = 72, y: float = 200, ruled: bool = True, width: float = 110
) -> Draw:
    def draw(canvas: Canvas) -> None:
        grid = Table([list(row) for row in rows], colWidths=[width] * len(rows[0]))
        if ruled:
            grid.setStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)])
        _, height = grid.wrap(WIDTH, HEIGHT)
        grid.drawOn(canvas, x, HEIGHT - y - height)

    return draw


def words_picture(*lines: str, size: int = 40, width: int = 1240, height: int = 400) -> Image.Image:
    """A picture of text, black on white."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((60, 40 + number * size * 1.6), line, "black", ImageFont.load_default(size))
    return image


def picture(image: Image.Image, x: float, y: float, width: float, height: float) -> Draw:
    """y: of its upper edge, from the top."""

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(image), x, HEIGHT - y - height, width, height)

    return draw


def raw(content: bytes, *, page: bytes = b"", objects: Sequence[bytes] = (), count: int = 1) -> bytes:
    """A PDF written by hand, with Helvetica as /F1. objects: from number 6 on."""
    stream = zlib.compress(content)
    kids = b"[" + b" ".join(b"3 0 R" for _ in range(count)) + b"]"
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids%s/Count %d>>" % (kids, count),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>%s>>" % page,
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        *objects,
    ]
    data = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(bodies) + 1, table)
    return data + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start)
