"""A PDF to a Document: text layers are put into reading order, pages without one are read as pictures.

The pages go through in batches: the lines of a batch are read, running headers and footers are found among them, and
what is left becomes Markdown. Each page begins with its own mark, `[page 3]`, so that an answer can cite it; a line of
the text that looks like one is changed. Memory is bounded by the batch and by the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from spatz.inputs.document import Document, ReadOptions
from spatz.inputs.lines import Sheet
from spatz.inputs.pdf_fields import read_fields
from spatz.inputs.pdf_file import PdfFile, open_pdf
from spatz.inputs.pdf_furniture import NEAR, Furniture
from spatz.inputs.pdf_objects import read_objects
from spatz.inputs.pdf_text import Frame, frame_of, read_text

__all__ = ["page_mark", "read_pdf"]

Progress = Callable[[int, int], None]  # pages that were read, of how many

BATCH = 4 * NEAR


def page_mark(number: int) -> str:
    """Short in tokens, and what a reader would write: HTML comments are what models leave out."""
    return f"[page {number}]"


MARK_LIKE = re.compile(r"^\[(page \d+)\]", re.MULTILINE | re.IGNORECASE)


@dataclass(slots=True)
class Draft:
    """A page of which the text layer has been read."""

    index: int
    frame: Frame
    sheets: list[Sheet] = field(default_factory=list)  # the first is the main one


def read_pdf(data: bytes, options: ReadOptions, progress: Progress | None = None) -> Document:
    """Raises InputError for what is encrypted, damaged beyond repair or empty."""
    with open_pdf(data, options) as file:
        parts = []
        count = file.end - file.first
        for number, text in enumerate(pages(file, options), start=1):
            parts.append(text)
            if progress is not None:
                progress(number, count)
        return Document(
            kind="pdf",
            markdown="\n\n".join(parts),
            title=file.title,
            pages=file.total,
            read_pages=len(parts),
            notes=tuple(file.notes),
        )


def pages(file: PdfFile, options: ReadOptions) -> Iterator[str]:
    furniture = Furniture()
    waiting: list[Draft] = []
    for index in range(file.first, file.end):
        draft = read_page(file, index)
        waiting.append(draft)
        if draft.sheets:
            furniture.note(index, draft.sheets[0].lines, draft.sheets[0].height)
        if len(waiting) == BATCH + NEAR:
            for draft in waiting[:BATCH]:
                yield finish(draft, furniture)
            del waiting[:BATCH]
    for draft in waiting:
        yield finish(draft, furniture)


def read_page(file: PdfFile, index: int) -> Draft:
    with file.page(index) as page:
        if page is None:
            return Draft(index, Frame(0, 0, 612, 792, 0))
        frame = frame_of(page)
        draft = Draft(index, frame)
        layer = read_text(page, frame)
        drawn = read_objects(page)
        main = layer.turns
        for turns in sorted(layer.lines, key=lambda turns: turns != main):
            lines = layer.lines[turns]
            if turns == main:
                lines = lines + read_fields(page, file.form, frame, turns)
            draft.sheets.append(Sheet(*frame.size(turns), lines, drawn.rules_in(frame, turns)))
        return draft


def finish(draft: Draft, furniture: Furniture) -> str:
    texts = [page_mark(draft.index + 1)]
    for number, sheet in enumerate(draft.sheets):
        lines = list(sheet.lines)
        if number == 0:
            lines = furniture.without(draft.index, lines, sheet.height)
        texts.append(MARK_LIKE.sub(r"(\1)", arrange(Sheet(sheet.width, sheet.height, lines, sheet.rules))))
    return "\n\n".join(texts)


def arrange(sheet: Sheet) -> str:
    return "\n".join(line.text for line in sheet.lines)
