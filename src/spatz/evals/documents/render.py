"""A page's pixels, and a PDF of them: what a scanner makes of it."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["png", "rendered", "scanned"]


def rendered(pdf: bytes, dpi: int) -> Image:
    """Of its first page."""
    import pypdfium2

    document = pypdfium2.PdfDocument(pdf)
    try:
        image: Image = document[0].render(scale=dpi / 72).to_pil().convert("RGB")
        return image
    finally:
        document.close()


def png(image: Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def scanned(image: Image, dpi: int) -> bytes:
    """A PDF that has a JPEG for its page, and no text."""
    out = io.BytesIO()
    when = time.gmtime(0)  # the same bytes each time
    image.convert("L").save(out, "PDF", resolution=dpi, quality=80, creationDate=when, modDate=when)
    return out.getvalue()
