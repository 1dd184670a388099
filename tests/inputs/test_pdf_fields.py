"""What was filled into forms."""

from __future__ import annotations

import pytest
from reportlab.pdfgen.canvas import Canvas

from inputs.pdf_files import pdf, raw, text
from spatz.inputs.document import ReadOptions
from spatz.inputs.lines import Line
from spatz.inputs.pdf_fields import read_fields
from spatz.inputs.pdf_file import open_pdf
from spatz.inputs.pdf_frame import frame_of


def fields_of(data: bytes) -> list[Line]:
    with open_pdf(data, ReadOptions()) as file, file.page(0) as page:
        return read_fields(page, file.form, frame_of(page), 0)


def form(canvas: Canvas) -> None:
    text("Name:", "Agreed:")(canvas)
    fields = canvas.acroForm
    fields.textfield(name="name", value="Ada Löwe", x=120, y=740, width=200, height=20)
    fields.checkbox(name="agreed", checked=True, x=120, y=700, size=15)
    fields.checkbox(name="news", checked=False, x=150, y=700, size=15)
    fields.choice(name="colour", value="blue", options=["red", "blue"], x=120, y=660, width=80, height=20)
    fields.textfield(name="empty", value="", x=120, y=620, width=200, height=20)
    fields.textfield(name="word", value="hunter2", fieldFlags="password", x=120, y=600, width=200, height=20)
    fields.textfield(name="text", value="one\ntwo", fieldFlags="multiline", x=120, y=500, width=200, height=40)


def test_values_stand_where_they_are_shown() -> None:
    lines = fields_of(pdf(form))
    assert [line.text for line in lines] == ["Ada Löwe", "[x]", "[ ]", "blue", "one", "two"]
    assert lines[0].box[0] == pytest.approx(120, abs=2)
    assert lines[0].middle == pytest.approx(842 - 750, abs=2)
    assert lines[4].middle < lines[5].middle


def test_text_that_was_typed_onto_the_page() -> None:
    def annotation(flags: int) -> bytes:
        head = b"<</Type/Annot/Subtype/FreeText/Rect[100 700 300 720]/Contents(typed in)/DA(/F1 12 Tf)/F %d>>" % flags
        return raw(b"", page=b"/Annots[6 0 R]", objects=[head])

    assert [line.text for line in fields_of(annotation(4))] == ["typed in"]
    assert fields_of(annotation(2)) == []  # hidden


def test_outside_of_the_page_and_without_fields() -> None:
    head = b"<</Type/Annot/Subtype/FreeText/Rect[100 -700 300 -720]/Contents(not seen)/F 4>>"
    assert fields_of(raw(b"", page=b"/Annots[6 0 R]", objects=[head])) == []
    assert fields_of(pdf(text("x"))) == []
