"""How fast are PDFs read? Pages of text a second, and seconds for a page that is a picture.

    python benchmarks/pdf.py --pages 1000
    python benchmarks/pdf.py manual.pdf other.pdf

Without files it makes one of headings, paragraphs and a table on each page, and one of scans. Times are of one
process, opening included, as a worker of the server has them. Prints a table, and JSON in the last line.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfgen.canvas import Canvas

from spatz.inputs.document import ReadOptions
from spatz.inputs.pdf import read_pdf

WORDS = (
    *("harbour", "morning", "boats", "night", "storm", "keeper", "lighthouse", "water", "stone", "because", "there"),
    *("between", "longer", "winter", "measure", "together", "under", "number", "quiet", "window", "remember", "market"),
    *("letter", "through", "garden", "river", "almost", "engine", "of", "the", "and", "a", "in", "to"),
)


def text_pdf(pages: int) -> bytes:
    chance = random.Random(1)
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4)
    for page in range(1, pages + 1):
        canvas.setFont("Helvetica", 9)
        canvas.drawString(72, 810, "The harbour book")
        canvas.drawString(500, 810, str(page))
        y = 770.0
        for section in range(3):
            canvas.setFont("Helvetica-Bold", 14)
            canvas.drawString(72, y, f"{page}.{section + 1} {chance.choice(WORDS).title()} and {chance.choice(WORDS)}")
            y -= 24
            canvas.setFont("Helvetica", 10)
            text = " ".join(chance.choices(WORDS, k=150)).capitalize() + "."
            for line in simpleSplit(text, "Helvetica", 10, 450):
                canvas.drawString(72, y, line)
                y -= 13
            y -= 12
        for row in range(8):
            for column in range(4):
                canvas.drawString(
                    72 + 110 * column,
                    y,
                    f"{chance.choice(WORDS)} {row}" if column == 0 else f"{chance.random() * 100:.2f}",
                )
            y -= 14
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def scan_pdf(pages: int) -> bytes:
    """Pictures of 1,240x1,754, as a scanner makes them at 150 dpi."""
    chance = random.Random(2)
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4)
    for _ in range(pages):
        image = Image.new("L", (1240, 1754), 255)
        draw = ImageDraw.Draw(image)
        for line in range(40):
            draw.text((120, 100 + 38 * line), " ".join(chance.choices(WORDS, k=9)), 0, ImageFont.load_default(24))
        canvas.drawImage(ImageReader(image), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def measure(name: str, data: bytes) -> dict[str, object]:
    started, worked = time.perf_counter(), time.process_time()
    document = read_pdf(data, ReadOptions(max_seconds=3600))
    wall, work = time.perf_counter() - started, time.process_time() - worked
    pages = document.read_pages
    counts = f"{pages:6} {document.pictures:8} {len(document.markdown):12,}"
    print(f"{name[:40]:40} {counts} {wall:8.2f} {pages / wall:9.1f} {work:8.2f}")
    return {"name": name, "pages": pages, "pictures": document.pictures, "seconds": wall, "cpu_seconds": work}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--pages", type=int, default=1000, help="of the PDF of text")
    parser.add_argument("--scans", type=int, default=4, help="pages of the PDF of scans")
    arguments = parser.parse_args()
    print(f"{'':40} {'pages':>6} {'pictures':>8} {'characters':>12} {'s':>8} {'pages/s':>9} {'cpu s':>8}")
    if arguments.files:
        results = [measure(path.name, path.read_bytes()) for path in arguments.files]
    else:
        results = [measure("one page", text_pdf(1)), measure("text", text_pdf(arguments.pages))]
        results += [measure("a scan (models are loaded)", scan_pdf(1)), measure("scans", scan_pdf(arguments.scans))]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"results": results, "peak_mb": peak}))


if __name__ == "__main__":
    main()
