"""What a page's geometry becomes in Markdown: headings, columns, lists, tables, paragraphs over line ends."""

from __future__ import annotations

from reportlab.lib.utils import simpleSplit

from inputs.pdf_files import WIDTH, Draw, pdf, table, text, together
from spatz.inputs.document import ReadOptions
from spatz.inputs.lines import Line
from spatz.inputs.pdf import read_pdf
from spatz.inputs.pdf_sizes import Sizes

STORY = (
    "The harbour was quiet in the morning, and the boats that had come in during the night lay beside each other. "
    "Nobody had slept much, for the storm had been one of the longest of that year, and the keeper had counted forty "
    "ships."
)
BODY = simpleSplit(STORY, "Helvetica", 11, 400)


def markdown(*pages: Draw) -> str:
    return read_pdf(pdf(*pages), ReadOptions()).markdown


def test_lines_of_a_paragraph_are_joined_and_hyphens_go() -> None:
    assert len(BODY) == 3 and STORY in markdown(text(*BODY))
    divided = ["This is a line that goes on up to its very end, and there is a har-", "bour in it."]
    assert "a harbour in it." in markdown(text(*divided))
    kept = ["This is a line that goes on up to its very end, and there is the In-", "und Ausland in it."]
    assert "the In- und Ausland" in markdown(text(*kept))


def test_headings_have_one_level_on_all_pages() -> None:
    first = together(
        text("Chapter one", size=24, font="Helvetica-Bold"), text("Ships", y=120, size=16), text(*BODY, y=160)
    )
    second = together(text("Boats", size=16), text(*BODY, y=120))
    found = markdown(first, second)
    assert "# Chapter one\n\n## Ships\n\nThe harbour" in found and "\n\n## Boats\n\nThe harbour" in found


def test_columns_are_read_one_after_the_other() -> None:
    left = [f"left column's line {number} with words" for number in range(12)]
    right = [f"right column's line {number} with words" for number in range(12)]
    found = markdown(together(text("Two columns", size=20, y=40), text(*left, x=60), text(*right, x=WIDTH / 2 + 20)))
    assert found.index("line 11") < found.index("right column's line 0")
    assert found.count("left") == found.count("right") == 12


def test_a_table_with_lines_and_one_without() -> None:
    rows = [["Item", "Number", "Price"], ["Nuts", "3", "4.00"], ["Bolts", "12", "1.50"], ["Screws", "7", "0.25"]]
    for ruled in (True, False):
        found = markdown(together(text(*BODY, y=60), table(rows, ruled=ruled)))
        lines = [line for line in found.splitlines() if line.startswith("|")]
        assert lines[0] == "| Item | Number | Price |"
        assert lines[2:] == ["| Nuts | 3 | 4.00 |", "| Bolts | 12 | 1.50 |", "| Screws | 7 | 0.25 |"]


def test_lists_are_lists() -> None:
    found = markdown(text("What we need:", "• rope", "• nails and a hammer", "• tar"))
    assert "- rope\n- nails and a hammer\n- tar" in found


def test_dots_up_to_a_pages_number_are_few() -> None:
    assert "1 Ships ... 12" in markdown(text("1 Ships " + ". " * 40 + "12", "2 Boats " + ". " * 40 + "17"))


def test_a_raised_number_is_no_part_of_the_one_before_it() -> None:
    def power(canvas: object) -> None:
        writing = canvas.beginText(72, 700)  # type: ignore[attr-defined]
        writing.setFont("Helvetica", 11)
        writing.textOut("It has 10")
        writing.setFont("Helvetica", 7)
        writing.setRise(4)
        writing.textOut("12")
        writing.setFont("Helvetica", 11)
        writing.setRise(0)
        writing.textOut(" stars.")
        canvas.drawText(writing)  # type: ignore[attr-defined]

    assert "It has 10^12 stars." in markdown(power)


def test_sizes_of_a_document() -> None:
    sizes = Sizes()
    assert sizes.style().level(12) == 0
    sizes.note([Line("word " * 20, (0, 0, 100, 10), size=10)] * 50)
    sizes.note([Line("Head", (0, 0, 100, 20), size=20), Line("Section", (0, 0, 100, 14), size=14)])
    style = sizes.style()
    assert [style.level(size) for size in (10, 11, 14, 20)] == [0, 0, 2, 1]
    sizes.note([Line("word " * 20, (0, 0, 100, 10), size=10)] * 300)
    assert sizes.style().headings == ()  # seen once in a long document
