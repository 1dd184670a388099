"""A PDF to a Document: text layers are put into reading order, pages without one are read as pictures.

The pages go through in batches: the lines of a batch are read, running headers and footers are found among them, and
what is left becomes Markdown. Each page begins with its own mark, `[page 3]`, so that an answer can cite it; a line of
the text that looks like one is changed. Memory is bounded by the batch and by the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from spatz.inputs.document import Document, Note, ReadOptions
from spatz.inputs.layout import arrange
from spatz.inputs.lines import Box, Sheet
from spatz.inputs.pdf_code import take_out
from spatz.inputs.pdf_fields import read_fields
from spatz.inputs.pdf_file import PdfFile, open_pdf
from spatz.inputs.pdf_frame import Frame, frame_of
from spatz.inputs.pdf_furniture import NEAR, Furniture
from spatz.inputs.pdf_inserts import Inserts
from spatz.inputs.pdf_objects import Drawn, read_objects
from spatz.inputs.pdf_pictures import pictures_to_read, whole_page
from spatz.inputs.pdf_scan import PictureReader, page_list
from spatz.inputs.pdf_sizes import Sizes
from spatz.inputs.pdf_text import TextLayer, read_text

__all__ = ["page_mark", "read_pdf"]

Progress = Callable[[int, int], None]  # pages that were read, of how many

BATCH = 4 * NEAR
MARK_LIKE = re.compile(r"^\[(page \d+)\]", re.MULTILINE | re.IGNORECASE)
NO_TEXT = "(This page is a picture in which no text can be read.)"
LEFT_OUT = "(This page is a picture that was not read.)"
UNSURE = "(The text of this page is hard to read and may be wrong.)"
PICTURE = "[picture]"  # before the text of one
MOST = 0.7  # of a page that a picture covers which is the page, and not one between the text
DAMAGED = "(This page is damaged and could not be read.)"


def read_pdf(data: bytes, options: ReadOptions, progress: Progress | None = None) -> Document:
    """Raises InputError for what is encrypted, damaged beyond repair or empty."""
    with open_pdf(data, options) as file:
        return Reading(file, options, progress).document()


def page_mark(number: int) -> str:
    """Short in tokens, and what a person would write: models leave comments of HTML out."""
    return f"[page {number}]"


@dataclass(slots=True)
class Draft:
    """A page whose lines have been read."""

    index: int
    sheets: list[Sheet] = field(default_factory=list)  # the first is the main one
    pictures: list[tuple[Box, Sheet]] = field(default_factory=list)  # with text; they lie as the first sheet does
    scan: bool = False  # the sheet was recognised
    remark: str = ""


class Reading:
    def __init__(self, file: PdfFile, options: ReadOptions, progress: Progress | None) -> None:
        self.file = file
        self.options = options
        self.progress = progress
        self.pictures = PictureReader(file.form, options)
        self.furniture = Furniture()
        self.sizes = Sizes()
        self.damaged: list[int] = []
        self.cut: list[int] = []

    def document(self) -> Document:
        texts: list[str] = []
        room = self.options.max_text
        notes = list(self.file.notes)
        for text in self.pages():
            room -= len(text) + 2
            if room < 0:
                texts.append(text[: room + len(text)])
                notes.append(
                    Note("text_cut", f"Only the first {self.options.max_text} characters of the text were kept.")
                )
                break
            texts.append(text)
        notes += self.pictures.notes()
        if self.damaged:
            notes.append(Note("pages_damaged", f"Could not be read, because of damage: {page_list(self.damaged)}."))
        if self.cut:
            notes.append(Note("page_cut", f"More characters than are read of one are on {page_list(self.cut)}."))
        return Document(
            kind="pdf",
            markdown="\n\n".join(texts),
            title=self.file.title,
            pages=self.file.total,
            read_pages=len(texts),
            pictures=self.pictures.pictures,
            confidence=self.pictures.confidence,
            notes=tuple(notes),
        )

    def pages(self) -> Iterator[str]:
        """The Markdown of one page after the other."""
        waiting: list[Draft] = []
        count = self.file.end - self.file.first
        for index in range(self.file.first, self.file.end):
            draft = self.draft(index)
            waiting.append(draft)
            if draft.sheets:
                self.furniture.note(index, draft.sheets[0].lines, draft.sheets[0].height)
            if not draft.scan:
                for sheet in draft.sheets:
                    self.sizes.note(sheet.lines)
            if self.progress is not None:
                self.progress(index - self.file.first + 1, count)
            if len(waiting) == BATCH + NEAR:
                yield from map(self.finished, waiting[:BATCH])
                del waiting[:BATCH]
        yield from map(self.finished, waiting)

    def draft(self, index: int) -> Draft:
        draft = Draft(index)
        with self.file.page(index) as page:
            if page is None:
                self.damaged.append(index)
                draft.remark = DAMAGED
                return draft
            frame = frame_of(page)
            layer, drawn = read_text(page, frame), read_objects(page)
            if layer.cut:
                self.cut.append(index)
            if whole_page(layer, drawn):
                self.scanned(draft, page, frame)
            else:
                self.written(draft, page, frame, layer, drawn)
        return draft

    def written(self, draft: Draft, page: Any, frame: Frame, layer: TextLayer, drawn: Drawn) -> None:
        """A page with a text layer."""
        main = layer.turns if layer.lines else frame.turns
        layer.lines.setdefault(main, []).extend(read_fields(page, self.file.form, frame, main))
        seen = layer.lines.setdefault(frame.turns, [])  # what runs as the page does, as pictures do
        width, height = frame.size(frame.turns)
        behind = []
        for box in pictures_to_read(layer, drawn, frame):
            sheet = self.pictures.read_part(draft.index, page, frame, box, seen)
            if sheet is None:
                continue
            if (box[2] - box[0]) * (box[3] - box[1]) > MOST * width * height:
                seen.extend(sheet.lines)
            elif main == frame.turns:
                draft.pictures.append((box, sheet))
            else:
                behind.append(sheet)
        draft.sheets = sheets_of(layer, drawn, frame, main) + behind

    def scanned(self, draft: Draft, page: Any, frame: Frame) -> None:
        sheet = self.pictures.read_page(draft.index, page, frame)
        fields = read_fields(page, self.file.form, frame, frame.turns)
        if sheet is None:
            if draft.index in self.pictures.left_out[-1:]:
                draft.remark = LEFT_OUT
        elif sheet.lines:
            draft.sheets, draft.scan = [sheet], True
            draft.remark = UNSURE if draft.index in self.pictures.unsure[-1:] else ""
        else:
            draft.remark = NO_TEXT
        # A rendered page shows what was filled in, too; only where nothing was read do the values stand for it.
        if fields and not draft.sheets:
            draft.sheets = [Sheet(*frame.size(frame.turns), fields)]

    def finished(self, draft: Draft) -> str:
        texts = [page_mark(draft.index + 1)]
        if draft.remark:
            texts.append(draft.remark)
        style = None if draft.scan else self.sizes.style()  # recognised letters have sizes of their own
        for number, sheet in enumerate(draft.sheets or [Sheet(0.0, 0.0, [])]):
            lines, inserts = list(sheet.lines), Inserts()
            if number == 0:
                lines = self.furniture.without(draft.index, lines, sheet.height)
                for box, picture in draft.pictures:
                    block = f"{PICTURE}\n{arrange(picture)}"
                    lines.append(inserts.stand_in(block, box, self.sizes.style().body or 10.0))
            lines = take_out(lines, inserts)
            markdown = inserts.put_back(arrange(Sheet(sheet.width, sheet.height, lines, sheet.rules), style))
            texts.append(MARK_LIKE.sub(r"(\1)", markdown))
        return "\n\n".join(text for text in texts if text)


def sheets_of(layer: TextLayer, drawn: Drawn, frame: Frame, main: int) -> list[Sheet]:
    """A sheet for each direction of text, the main one first."""
    return [
        Sheet(*frame.size(turns), layer.lines[turns], drawn.rules_in(frame, turns))
        for turns in sorted(layer.lines, key=lambda turns: turns != main)
        if layer.lines[turns]
    ]
