"""Reading the places of a PDF's pages that are pictures: rendered, recognised, and put back among the page's lines.

All that a document's pictures may cost is bounded: by a time, behind which pages are left out and noted, because half
of a book of scans is worth more than none of it. What is to be read, and how it is rendered, is pdf_pictures.py's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from spatz.inputs.document import LATE, Note, ReadOptions
from spatz.inputs.lines import Box, Line, Rule, Sheet
from spatz.inputs.pdf_frame import Frame
from spatz.inputs.pdf_pictures import is_blank, render

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PictureReader", "page_list"]

UNSURE = 0.8  # mean confidence of a page's letters below which its reader is told


class PictureReader:
    """Of one document."""

    def __init__(self, form: Any, options: ReadOptions) -> None:
        self.form = form
        self.options = options
        self.until = time.monotonic() + options.max_seconds
        self.pictures = 0
        self.letters = 0
        self.sure = 0.0  # confidence times letters
        self.left_out: list[int] = []  # pages
        self.nothing: list[int] = []
        self.unsure: list[int] = []
        self.seen: set[bytes] = set()  # digests of pictures between text

    @property
    def confidence(self) -> float | None:
        return self.sure / self.letters if self.letters else None

    def read_page(self, index: int, page: Any, frame: Frame) -> Sheet | None:
        """A page that is nothing but a picture; None where it is blank, or was not read."""
        width, height = frame.size(frame.turns)
        image, scale = self.render(index, page, frame, (0.0, 0.0, width, height))
        if image is None:
            return None
        sheet = placed(self.read(index, image), scale, 0.0, 0.0)
        if not sheet.lines:
            self.nothing.append(index)
        return sheet

    def read_part(self, index: int, page: Any, frame: Frame, box: Box, known: Sequence[Line]) -> Sheet | None:
        """A picture between the text, without those lines that the text layer has, which are known. None where there
        is no text on it, and for one that an earlier page had already: a letterhead."""
        image, scale = self.render(index, page, frame, box)
        if image is None:
            return None
        digest = sha256(image.tobytes()).digest()
        if digest in self.seen:
            return None
        self.seen.add(digest)
        sheet = placed(self.read(index, image), scale, box[0], box[1])
        lines = [line for line in sheet.lines if not any(covers(other.box, line.box) for other in known)]
        return Sheet(sheet.width, sheet.height, lines, sheet.rules) if lines else None

    def render(self, index: int, page: Any, frame: Frame, box: Box) -> tuple[Image | None, float]:
        """None where it is too late, or nothing to be seen."""
        if time.monotonic() > self.until:
            if index not in self.left_out[-1:]:
                self.left_out.append(index)
            return None, 1.0
        image, scale = render(page, self.form, frame, box, self.options)
        return (None if is_blank(image) else image), scale

    def read(self, index: int, image: Image) -> Sheet:
        """In pixels of the picture as it was turned."""
        from spatz.inputs.image import read_picture

        sheet = read_picture(image, self.options).scan.sheet
        self.pictures += 1
        letters = sum(len(line.text) for line in sheet.lines)
        sure = sum(len(line.text) * (line.confidence or 0.0) for line in sheet.lines)
        self.letters += letters
        self.sure += sure
        if letters and sure < UNSURE * letters and index not in self.unsure[-1:]:
            self.unsure.append(index)
        return sheet

    def notes(self) -> list[Note]:
        told = (
            (LATE, "Pictures with possible text were not read, for want of time, on", self.left_out),
            ("no_text", "No text could be recognised on", self.nothing),
            ("low_confidence", "Text was recognised with little confidence on", self.unsure),
        )
        return [Note(code, f"{message} {page_list(pages)}.") for code, message, pages in told if pages]


def placed(sheet: Sheet, scale: float, x: float, y: float) -> Sheet:
    """From pixels of a rendered place to the points of its page."""

    def box(given: Box) -> Box:
        return given[0] / scale + x, given[1] / scale + y, given[2] / scale + x, given[3] / scale + y

    lines = [Line(line.text, box(line.box), line.confidence, line.size / scale, line.bold) for line in sheet.lines]
    rules = [Rule(*box((rule.x0, rule.y0, rule.x1, rule.y1))) for rule in sheet.rules]
    return Sheet(sheet.width / scale, sheet.height / scale, lines, rules)


def covers(a: Box, b: Box) -> bool:
    """Whether a has a good part of b."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width > 0 and height > 0 and width * height > 0.4 * (b[2] - b[0]) * (b[3] - b[1])


def page_list(indices: Sequence[int], most: int = 20) -> str:
    """ "page 3", "pages 1-4, 7 and 12 more": from indices in order, which begin at 0."""
    ranges: list[list[int]] = []
    for index in indices:
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    shown = ", ".join(str(a + 1) if a == b else f"{a + 1}-{b + 1}" for a, b in ranges[:most])
    more = sum(b - a + 1 for a, b in ranges[most:])
    return f"page{'s' if len(indices) > 1 else ''} {shown}" + (f" and {more} more" if more else "")
