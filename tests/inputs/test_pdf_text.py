"""The text layer: lines, their places, sizes and directions, and what its characters are worth."""

from __future__ import annotations

import pytest
from reportlab.pdfgen.canvas import Canvas

from inputs.pdf_files import HEIGHT, WIDTH, pdf, raw, text, together
from spatz.inputs.document import ReadOptions
from spatz.inputs.lines import Line
from spatz.inputs.pdf_file import open_pdf
from spatz.inputs.pdf_frame import Frame, direction, frame_of
from spatz.inputs.pdf_letters import clean
from spatz.inputs.pdf_text import TextLayer, read_text


def layer_of(data: bytes) -> TextLayer:
    with open_pdf(data, ReadOptions()) as file, file.page(0) as page:
        return read_text(page, frame_of(page))


def lines_of(data: bytes) -> list[Line]:
    layer = layer_of(data)
    return layer.lines.get(layer.turns, [])


def content(stream: bytes, page: bytes = b"") -> list[str]:
    return [line.text for line in lines_of(raw(stream, page=page))]


def test_a_line_has_its_place_size_and_weight() -> None:
    thin, thick = lines_of(
        pdf(together(text("Some text", y=72, size=10), text("A head", y=40, size=20, font="Helvetica-Bold")))
    )
    assert (thin.text, thin.bold, thin.size) == ("Some text", False, pytest.approx(10))
    assert (thick.text, thick.bold, thick.size) == ("A head", True, pytest.approx(20))
    assert thin.box[0] == pytest.approx(72, abs=1) and thin.box[2] == pytest.approx(115, abs=3)
    assert thin.box[1] == pytest.approx(74, abs=3) and thin.box[3] == pytest.approx(84, abs=3)
    assert thin.confidence is None


def test_a_wide_gap_ends_a_line_and_a_words_space_does_not() -> None:
    stream = b"BT /F1 10 Tf 50 700 Td (one two) Tj 40 0 Td (three) Tj 200 0 Td (four) Tj ET"
    assert content(stream) == ["one two three", "four"]


def test_one_string_may_be_justified_and_cells_of_a_row_stand_closer() -> None:
    assert content(b"BT /F1 10 Tf 50 700 Td [(one) -1000 (two)] TJ ET") == ["one two"]
    assert content(b"BT /F1 10 Tf 50 700 Td (12.00) Tj 36 0 Td (13.00) Tj ET") == ["12.00", "13.00"]


def test_letters_that_are_set_one_by_one_are_words() -> None:
    stream = b"BT /F1 10 Tf 50 700 Td (W) Tj 9.44 0 Td (o) Tj 5.56 0 Td (r) Tj 3.33 0 Td (d) Tj 9 0 Td (x) Tj ET"
    assert content(stream) == ["Word x"]


def test_what_is_drawn_twice_is_read_once() -> None:
    assert content(b"BT /F1 10 Tf 50 700 Td (bold) Tj ET BT /F1 10 Tf 50.3 700 Td (bold) Tj ET") == ["bold"]


def test_a_hyphen_at_a_lines_end_stays_there() -> None:
    """Whether it goes is for the layout to say, which knows what follows."""
    assert content(b"BT /F1 10 Tf 50 700 Td (an exam-) Tj 0 -12 Td (ple of it) Tj ET") == ["an exam-", "ple of it"]


@pytest.mark.parametrize("quarters", [0, 90, 180, 270])
def test_a_turned_page_reads_as_the_upright_one(quarters: int) -> None:
    stream = b"BT /F1 12 Tf 72 700 Td (first) Tj 0 -20 Td (second) Tj ET"
    upright = lines_of(raw(stream))
    turned = lines_of(raw(stream, page=b"/Rotate %d" % quarters))
    assert sorted(turned, key=lambda line: line.middle) == upright
    assert [line.text for line in upright] == ["first", "second"]


@pytest.mark.parametrize(("matrix", "turns"), [(b"0 1 -1 0", 1), (b"-1 0 0 -1", 2), (b"0 -1 1 0", 3)])
def test_turned_text_is_laid_so_that_it_runs_to_the_right(matrix: bytes, turns: int) -> None:
    stream = b"BT /F1 12 Tf %s 300 400 Tm (first one) Tj 0 -20 Td (second) Tj ET" % matrix
    layer = layer_of(raw(stream))
    assert layer.turns == turns
    first, second = sorted(layer.lines[turns], key=lambda line: line.middle)  # pdfium has its own order
    assert (first.text, second.text) == ("first one", "second")
    assert second.box[1] - first.box[1] == pytest.approx(20, abs=0.1)
    assert second.box[0] == pytest.approx(first.box[0], abs=1)
    assert first.box[2] - first.box[0] == pytest.approx(42.7, abs=0.1)


def test_text_across_the_page_is_no_line() -> None:
    stream = b"BT /F1 12 Tf 72 700 Td (text) Tj ET BT /F1 60 Tf 0.7 0.7 -0.7 0.7 100 100 Tm (DRAFT) Tj ET"
    assert content(stream) == ["text"]


def test_what_lies_outside_of_the_page_is_not_read() -> None:
    data = raw(b"BT /F1 12 Tf 72 700 Td (seen) Tj 0 -2000 Td (below) Tj 5000 2000 Td (beside) Tj ET")
    layer = layer_of(data)
    assert [line.text for line in layer.lines[0]] == ["seen"]
    assert layer.hidden == len("belowbeside")
    cropped = raw(b"BT /F1 12 Tf 72 700 Td (seen) Tj 0 -500 Td (cut off) Tj ET", page=b"/CropBox[0 400 595 842]")
    assert [line.text for line in lines_of(cropped)] == ["seen"]


def test_text_from_right_to_left_keeps_its_words_in_order() -> None:
    cmap = b"/CIDInit/ProcSet findresource begin begincmap 1 begincodespacerange <00><ff> endcodespacerange "
    cmap += b"1 beginbfrange <61><7a><05d0> endbfrange 1 beginbfchar <20><0020> endbfchar endcmap end"
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 7 0 R>>"
    stream = b"<</Length %d>>stream\n%s\nendstream" % (len(cmap), cmap)
    data = raw(b"BT /F1 12 Tf 200 700 Td (fed cba) Tj ET", objects=[font, stream]).replace(b"/F1 5 0 R", b"/F1 6 0 R")
    [line] = lines_of(data)
    assert line.text == "\u05d0\u05d1\u05d2 \u05d3\u05d4\u05d5"
    assert line.box[0] == pytest.approx(200, abs=1) and line.box[2] == pytest.approx(240, abs=4)


def test_invisible_text_is_read() -> None:
    """It is what character recognition puts under a scan."""
    assert content(b"BT 3 Tr /F1 12 Tf 72 700 Td (recognised) Tj ET") == ["recognised"]


def test_characters_without_a_meaning_are_counted() -> None:
    font = b"<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/CharProcs<<>>/FirstChar 1/LastChar 9"
    font += b"/Widths[1 1 1 1 1 1 1 1 1]/Encoding<</Differences[1/g1/g2/g3/g4/g5/g6]>>>>"
    garbage = raw(b"BT /F2 12 Tf 72 700 Td (\001\002\003\004\005\006) Tj ET", objects=[font])
    garbage = garbage.replace(b"/F1 5 0 R", b"/F2 6 0 R")
    assert not layer_of(garbage).usable
    assert layer_of(raw(b"BT /F1 12 Tf 72 700 Td (text) Tj ET")).usable
    assert not layer_of(raw(b"")).usable


@pytest.mark.parametrize(
    ("given", "text", "bad"),
    [
        ("plain", "plain", 0),
        ("e\ufb03cient \ufb02ow", "efficient flow", 0),
        ("so\u00adft\u200b", "soft", 0),
        ("1\u00a0000\u202f€", "1 000 €", 0),
        ("\uf0b7 point", "• point", 0),
        ("\ue123\ue124\ue125x", "x", 3),
        ("a\x00\x01\x9fb\ufffdc", "abc", 4),
        ("u\u0308ber", "über", 0),
        ("漢字 кириллица", "漢字 кириллица", 0),
    ],
)
def test_letters(given: str, text: str, bad: int) -> None:
    assert clean(given) == (text, bad)


def test_a_frames_places_keep_their_size() -> None:
    frame = Frame(10, 20, 110, 320, 0)
    for turns in range(4):
        width, height = frame.size(turns)
        x0, y0, x1, y1 = frame.place((20, 30, 50, 40), turns)
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        assert {x1 - x0, y1 - y0} == {30, 10}


def test_directions() -> None:
    assert [direction(*vector) for vector in ((2, 0.1), (0, 3), (-1, 0), (0, -1), (1, 1), (0, 0))] == [
        0,
        1,
        2,
        3,
        -1,
        0,
    ]


def test_columns_are_lines_of_their_own() -> None:
    def both(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        for row in range(3):
            canvas.drawString(72, HEIGHT - 72 - 14 * row, f"left {row}")
            canvas.drawString(WIDTH / 2, HEIGHT - 72 - 14 * row, f"right {row}")

    assert sorted(line.text for line in lines_of(pdf(both))) == [
        f"{side} {n}" for side in ("left", "right") for n in range(3)
    ]
