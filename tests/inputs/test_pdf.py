"""PDFs to Documents: what is read how, page marks, notes, bounds."""

from __future__ import annotations

import random

import pytest
from PIL import Image

from inputs.pdf_files import HEIGHT, WIDTH, pdf, picture, raw, text, together, words_picture
from spatz.inputs import pdf_scan, pdf_text
from spatz.inputs.document import Document, InputError, ReadOptions
from spatz.inputs.pdf import read_pdf
from spatz.inputs.pdf_scan import page_list

HELLO = b"BT /F1 12 Tf 72 700 Td (Hello) Tj ET"
SCAN = picture(words_picture("Invoice 4711", "Total 12.50 EUR"), 20, 20, 310, 100)


def read(data: bytes, **options: object) -> Document:
    return read_pdf(data, ReadOptions(detail="low", **options))  # type: ignore[arg-type]


def codes(document: Document) -> list[str]:
    return [note.code for note in document.notes]


def test_pages_are_marked_with_their_numbers_in_the_file() -> None:
    document = read(pdf(text("first"), text("second"), text("third"), title="Numbers"), pages=(2, 3))
    assert document.markdown == "[page 2]\n\nsecond\n\n[page 3]\n\nthird"
    assert (document.kind, document.title, document.pages, document.read_pages) == ("pdf", "Numbers", 3, 2)
    assert (document.pictures, document.confidence, document.notes) == (0, None, ())


def test_text_that_looks_like_a_mark_is_none() -> None:
    assert read(pdf(text("[page 7]"))).markdown == "[page 1]\n\n(page 7)"


def test_a_blank_page_is_only_its_mark() -> None:
    assert read(pdf(text("one"), text(), text("three"))).markdown == "[page 1]\n\none\n\n[page 2]\n\n[page 3]\n\nthree"


def test_pages_without_a_text_layer_are_read_as_pictures() -> None:
    document = read(pdf(text("A text"), SCAN))
    assert document.markdown.startswith("[page 1]\n\nA text\n\n[page 2]\n\n")
    assert "Invoice 4711" in document.markdown and "Total 12.50 EUR" in document.markdown
    assert document.pictures == 1 and document.confidence is not None and document.confidence > 0.9
    assert document.notes == ()


def test_pictures_between_text_are_read_in_their_place() -> None:
    middle = picture(words_picture("Words of the picture", height=120), 72, 200, 400, 40)
    document = read(pdf(together(text("Above it", y=72), middle, text("Below it", y=400))))
    above, words, below = (document.markdown.index(part) for part in ("Above it", "Words of the picture", "Below it"))
    assert above < words < below
    assert document.pictures == 1


def test_a_letterhead_is_said_once() -> None:
    head = picture(words_picture("Harbour Supplies Ltd", height=120), 72, 40, 300, 60)
    document = read(pdf(*[together(head, text(f"Letter {number} of this week", y=200)) for number in range(3)]))
    assert document.markdown.count("[picture]\nHarbour Supplies Ltd") == 1 and document.pictures == 1


def test_what_is_text_and_picture_is_said_once() -> None:
    """A page of slides: letters over a picture, which is rendered with them."""
    background = picture(Image.linear_gradient("L").convert("RGB"), 0, 0, WIDTH, HEIGHT)
    document = read(pdf(together(background, text("Our plan", y=300, size=40))))
    assert document.markdown.count("Our plan") == 1


def test_a_recognised_scan_is_read_by_its_text_layer() -> None:
    def invisible(canvas: object) -> None:
        writing = canvas.beginText(72, 700)  # type: ignore[attr-defined]
        writing.setTextRenderMode(3)
        writing.setFont("Helvetica", 10)
        for _ in range(30):
            writing.textLine("what somebody has recognised before")
        canvas.drawText(writing)  # type: ignore[attr-defined]

    document = read(pdf(together(picture(words_picture("Scan"), 0, 0, WIDTH, HEIGHT), invisible)))
    assert "recognised before" in document.markdown and document.pictures == 0


def test_garbage_instead_of_text_is_read_as_a_picture() -> None:
    glyph = b"<</Length 12>>stream\n0 0 1 1 re f\nendstream"
    font = b"<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/CharProcs<</g 6 0 R>>/FirstChar 1"
    font += b"/LastChar 1/Widths[1]/Encoding<</Differences[1/g]>>>>"
    data = raw(b"BT /F2 12 Tf 72 700 Td (\001\001\001) Tj ET", objects=[glyph, font]).replace(
        b"/F1 5 0 R", b"/F2 7 0 R"
    )
    document = read(data)
    assert document.pictures == 1 and codes(document) == ["no_text"]
    assert "no text can be read" in document.markdown


def test_a_photo_says_that_nothing_can_be_read() -> None:
    document = read(pdf(picture(Image.radial_gradient("L").convert("RGB"), 0, 0, WIDTH, HEIGHT), text("text")))
    assert "no text can be read" in document.markdown
    [note] = document.notes
    assert note.code == "no_text" and "page 1" in note.message


def test_pictures_beyond_the_time_are_left_out_and_noted() -> None:
    document = read(pdf(SCAN, SCAN, text("text")), max_seconds=-1.0)
    assert document.pictures == 0 and document.markdown.count("was not read") == 2
    [note] = document.notes
    assert note.code == "time_ran_out" and "pages 1-2" in note.message


def test_unsure_reading_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_scan, "UNSURE", 1.1)
    assert codes(read(pdf(SCAN))) == ["low_confidence"]


def test_forms_tell_their_values() -> None:
    def form(canvas: object) -> None:
        canvas.acroForm.textfield(name="name", value="Ada", x=150, y=HEIGHT - 90, width=100, height=20)  # type: ignore[attr-defined]

    markdown = read(pdf(together(text("Name:", y=72), form))).markdown
    assert markdown.index("Name:") < markdown.index("Ada")


def test_text_in_another_direction_comes_behind() -> None:
    def beside(canvas: object) -> None:
        canvas.rotate(90)  # type: ignore[attr-defined]
        canvas.drawString(300, -30, "Draft of May")  # type: ignore[attr-defined]

    document = read(pdf(together(text("The text of the page", "goes on here"), beside)))
    assert document.markdown.index("goes on here") < document.markdown.index("Draft of May")


def test_running_headers_are_said_once() -> None:
    bodies = ["Apples are red.", "Pears are green.", "Plums are blue.", "Figs are brown."]
    pages = [
        together(text("Fruit report", y=20), text(body, y=200), text(f"Page {number} of 4", y=790))
        for number, body in enumerate(bodies, start=1)
    ]
    markdown = read(pdf(*pages)).markdown
    assert markdown.count("Fruit report") == 1 and "of 4" not in markdown
    assert all(body in markdown for body in bodies)


def test_progress_counts_the_pages() -> None:
    seen: list[tuple[int, int]] = []
    read_pdf(raw(HELLO, count=100), ReadOptions(pages=(11, 90)), lambda done, total: seen.append((done, total)))
    assert seen == [(number, 80) for number in range(1, 81)]


def test_many_pages_beyond_the_limit() -> None:
    document = read(raw(HELLO, count=300), max_pages=150)
    assert (document.pages, document.read_pages, codes(document)) == (300, 150, ["pages_left_out"])


def test_the_text_is_bounded() -> None:
    document = read(pdf(*[text("word " * 15)] * 9), max_text=300)
    assert len(document.markdown) <= 300 and document.read_pages < 9
    assert codes(document) == ["text_cut"]


def test_a_page_with_too_many_characters_is_cut_and_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_text, "MAX_CHARACTERS", 20)
    document = read(pdf(text("The beginning and", "what is beyond of it")))
    assert "The beginning" in document.markdown and "beyond" not in document.markdown
    assert codes(document) == ["page_cut"]


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_damage_beyond_repair_is_an_error(share: float) -> None:
    data = raw(HELLO)
    with pytest.raises(InputError) as caught:
        read(data[: int(len(data) * share)])
    assert caught.value.code == "invalid_file"


def test_mutations_end_in_text_or_an_error() -> None:
    """No other exception and no crash, whatever byte is another."""
    chance = random.Random(5)
    data = pdf(together(text("Some text", "and more"), text("Head", size=20, y=20)), text("next"))
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 5, 50))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            read(bytes(changed), max_seconds=-1.0)
        except InputError as error:
            assert error.code in ("invalid_file", "encrypted_file")


@pytest.mark.parametrize(
    ("indices", "said"),
    [([0], "page 1"), ([0, 1, 2, 6], "pages 1-3, 7"), (list(range(0, 60, 2)), "pages 1, 3, 5 and 27 more")],
)
def test_page_lists(indices: list[int], said: str) -> None:
    assert page_list(indices, most=3) == said
