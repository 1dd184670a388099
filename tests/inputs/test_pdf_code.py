"""Listings: monospaced lines, whose breaks and indents are meant."""

from __future__ import annotations

from inputs.pdf_files import pdf, text, together
from spatz.inputs.document import ReadOptions
from spatz.inputs.lines import Line
from spatz.inputs.pdf import read_pdf
from spatz.inputs.pdf_code import take_out as take_out_to
from spatz.inputs.pdf_inserts import Inserts
from spatz.inputs.pdf_text import FixedLine

PROSE = [
    Line("Some words of the text, which are more than those of the program.", (50, y, 400, y + 10), size=10)
    for y in (0, 500)
]


def take_out(lines: list[Line]) -> tuple[list[Line], list[str]]:
    inserts = Inserts()
    return take_out_to(lines, inserts), inserts.blocks


def code(text: str, x: float, y: float) -> FixedLine:
    return FixedLine(text, (x, y, x + 6 * len(text), y + 10), size=10)


def test_a_listing_keeps_its_lines_and_indents() -> None:
    lines = [
        *PROSE,
        code("if x:", 50, 100),
        code("return 1", 74, 112),
        code("print(x)", 50, 136),
        code("# end", 140, 136),
    ]
    rest, listings = take_out(lines)
    assert listings == ["```\nif x:\n    return 1\n\nprint(x)       # end\n```"]
    assert len(rest) == 3 and rest[:2] == PROSE
    assert rest[2].box == (50, 100, 170, 146)


def test_blocks_are_put_back_where_their_stand_ins_went() -> None:
    inserts = Inserts()
    first, second = (inserts.stand_in(block, (0, 0, 10, 10), 10) for block in ("A\nb", "C"))
    assert inserts.put_back(f"One {second.text}\ntwo\n\n{first.text}") == "One\n\nC\n\ntwo\n\nA\nb"
    assert Inserts().put_back("no block") == "no block"


def test_what_is_no_listing() -> None:
    for lines in (
        [*PROSE, code("one line", 50, 100)],
        [
            *PROSE,
            code("-h", 50, 100),
            Line("help", (120, 100, 200, 110), size=10),
            code("-v", 50, 112),
            Line("version", (120, 112, 200, 122), size=10),
        ],
        [code("everything is typed", 50, 100), code("on this page, as letters were", 50, 112)],
    ):
        assert take_out(lines) == (lines, [])


def test_text_between_ends_a_listing() -> None:
    between = Line("and then, with more words than are in the listings around it", (50, 124, 300, 134), size=10)
    lines = [*PROSE, code("a", 50, 100), code("b", 50, 112), between, code("c", 50, 136), code("d", 50, 148)]
    assert len(take_out(lines)[1]) == 2


def test_a_fence_is_longer_than_what_it_holds() -> None:
    [listing] = take_out([*PROSE, code("```", 50, 100), code("x", 50, 112)])[1]
    assert listing == "~~~~\n```\nx\n~~~~"


def test_monospaced_fonts_are_recognised() -> None:
    page = together(
        text("The following prints a number, as long as nobody stops it:"),
        text("while True:", "  print(1)", y=100, font="Courier", size=10),
        text("It does not end, which is why there is a key that interrupts it.", y=160),
    )
    markdown = read_pdf(pdf(page), ReadOptions()).markdown
    assert "stops it:\n\n```\nwhile True:\n  print(1)\n```\n\nIt does" in markdown
