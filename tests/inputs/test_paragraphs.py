from __future__ import annotations

from inputs.drawing import line
from spatz.inputs.paragraphs import markdown_of, style_of
from spatz.inputs.rows import rows_of

STYLE = style_of(10.0, [10.0, 10.0, 16.0, 24.0])


def blocks(*lines: tuple[str, float, float] | tuple[str, float, float, float]) -> list[str]:
    return markdown_of(rows_of([line(each[0], *each[1:3], size=(*each, 10.0)[3]) for each in lines]), STYLE)


FULL = "a line that is as long as the column allows it to be, more or less"


def test_full_lines_are_joined_and_short_ones_end() -> None:
    assert blocks((FULL, 0, 0), ("and its end.", 0, 14), ("New line here", 0, 28)) == [
        f"{FULL} and its end.\nNew line here"
    ]


def test_a_gap_begins_a_paragraph() -> None:
    assert blocks((FULL, 0, 0), (FULL, 0, 14), (FULL, 0, 45)) == [f"{FULL} {FULL}", FULL]


def test_an_indented_line_begins_a_paragraph() -> None:
    assert blocks((FULL, 0, 0), (FULL[4:], 20, 14)) == [f"{FULL}\n{FULL[4:]}"]


def test_divided_words_are_put_together() -> None:
    long = "Zeile, die so lang ist, wie es die Spalte erlaubt, mit Trenn-"
    assert blocks((long, 0, 0), ("strich.", 0, 14)) == [long[:-1] + "strich."]
    assert blocks((long[:-6] + "Ein-", 0, 0), ("und Ausgang", 0, 14)) == [long[:-6] + "Ein- und Ausgang"]


def test_sizes_make_headings() -> None:
    assert blocks(("Report", 0, 0, 24), ("Findings", 0, 40, 16), (FULL, 0, 70)) == ["# Report", "## Findings", FULL]


def test_a_heading_over_two_rows_is_one() -> None:
    assert blocks(("A long heading that", 0, 0, 16), ("needs two rows", 0, 20, 16), (FULL, 0, 60)) == [
        "## A long heading that needs two rows",
        FULL,
    ]


def test_items_stay_items() -> None:
    found = blocks(("• first thing", 0, 0), ("that goes on", 12, 14), ("• second thing", 0, 28), ("1. third", 0, 42))
    assert found == ["- first thing that goes on\n- second thing\n1. third"]


def test_numbers_are_no_headings() -> None:
    assert blocks(("12.50", 0, 0, 16), (FULL, 0, 40)) == ["12.50", FULL]
