"""How long reading takes: a page's image, and a long PDF with its text, in one process after it has warmed up."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

from spatz.evals.documents.corpus import readings, samples
from spatz.inputs.document import ReadOptions
from spatz.inputs.pool import ReaderPool

__all__ = ["Speed", "long_pdf", "measured"]

PAGES = 200
_KINDS = ("invoice", "letter", "form", "table", "article")


@dataclass(frozen=True, slots=True)
class Speed:
    image_s: tuple[float, ...]  # of one page of 1,240 x 1,754 each
    pages: int  # of a PDF with its text
    pdf_s: float

    def lines(self) -> list[str]:
        median, most = statistics.median(self.image_s), max(self.image_s)
        return [
            f"a page's image of 1,240 x 1,754: {median:.2f} s (median of {len(self.image_s)}, at most {most:.2f})",
            f"a PDF of {self.pages} pages with their text: {self.pages / self.pdf_s:.0f} pages a second",
        ]


def long_pdf(pages: int, seed: int) -> bytes:
    import io

    import pypdfium2

    whole = pypdfium2.PdfDocument.new()
    parts = [sample.pdf for sample in samples(_KINDS, 8, seed)]
    for number in range(pages):
        whole.import_pages(pypdfium2.PdfDocument(parts[number % len(parts)]))
    out = io.BytesIO()
    whole.save(out)
    whole.close()
    return out.getvalue()


def measured(seed: int, images: int) -> Speed:
    return asyncio.run(_measured(seed, images))


async def _measured(seed: int, images: int) -> Speed:
    pictures = [
        reading.data
        for sample in samples(_KINDS, -(-images // len(_KINDS)), seed)
        for reading in readings(sample, ["clean"])
    ]
    pdf = long_pdf(PAGES, seed)
    async with ReaderPool(workers=1) as pool:
        await pool.read(pictures[0], ReadOptions(), "image")  # its libraries and models are loaded with the first
        await pool.read(long_pdf(2, seed), ReadOptions(), "pdf")
        times = []
        for data in pictures[:images]:
            start = time.perf_counter()
            await pool.read(data, ReadOptions(), "image")
            times.append(time.perf_counter() - start)
        start = time.perf_counter()
        await pool.read(pdf, ReadOptions(), "pdf")
        return Speed(tuple(times), PAGES, time.perf_counter() - start)
