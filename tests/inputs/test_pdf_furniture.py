"""Running headers and footers, and what only looks like one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from spatz.inputs.lines import Line
from spatz.inputs.pdf_furniture import Furniture, parted

HEIGHT = 800.0


def line(text: str, y: float, x: float = 70) -> Line:
    return Line(text, (x, y, x + 5 * len(text), y + 10), size=10)


def left(pages: Sequence[list[Line]]) -> list[list[str]]:
    furniture = Furniture()
    for number, lines in enumerate(pages):
        furniture.note(number, lines, HEIGHT)
    return [[line.text for line in furniture.without(number, lines, HEIGHT)] for number, lines in enumerate(pages)]


def body(number: int) -> list[Line]:
    return [line(f"Body {row} of {number}", 100 + 14 * row) for row in range(45)]


def bodies(count: int) -> list[list[str]]:
    return [[line.text for line in body(number)] for number in range(count)]


def test_a_header_is_kept_once_and_page_numbers_never() -> None:
    pages = [[line("Annual report", 30), line(str(n + 1), 30, 500), *body(n)] for n in range(6)]
    assert left(pages) == [["Annual report", *bodies(6)[0]], *bodies(6)[1:]]


def test_headers_of_left_and_right_pages_and_of_chapters() -> None:
    heads = ["The book", "Chapter 1", "The book", "Chapter 1", "The book", "Chapter 1", "The book", "Chapter 2"]
    pages = [[line(head, 30), *body(n), line(f"- {n + 7} -", 770)] for n, head in enumerate(heads)]
    found = left(pages)
    assert [page[0] for page in found] == [
        "The book",
        "Chapter 1",
        *(f"Body 0 of {n}" for n in range(2, 7)),
        "Chapter 2",
    ]
    assert all(page[-1] == f"Body 44 of {number}" for number, page in enumerate(found))


@pytest.mark.parametrize(
    "head",
    [
        "Invoice {n}",  # counts as the pages do, but says what they are about
        "Invoice 10{n}1",
        "Total {n}.00",
    ],
)
def test_what_differs_from_page_to_page_stays(head: str) -> None:
    pages = [[line(head.format(n=n), 30), *body(n)] for n in range(6)]
    assert [page[0] for page in left(pages)] == [head.format(n=n) for n in range(6)]


def test_two_pages_are_not_enough() -> None:
    pages = [[line("Annual report", 30), *body(n), line(f"Page {n + 1} of 2", 770)] for n in range(2)]
    assert left(pages) == [[line.text for line in page] for page in pages]


def test_numbers_that_do_not_count_the_pages_stay() -> None:
    pages = [[*body(n), line(str(17 * n % 31), 770)] for n in range(6)]
    assert left(pages) == [[line.text for line in page] for page in pages]


def test_a_tables_repeated_head_stays_with_its_rows() -> None:
    pages = [
        [
            line("Stock list", 20),
            line("Item", 50),
            line("Price", 50, 300),
            *(line(f"Nut {n} {row}", 64 + 14 * row) for row in range(30)),
        ]
        for n in range(5)
    ]
    found = left(pages)
    assert [page[:2] for page in found[1:]] == [["Item", "Price"]] * 4


def test_another_place_is_another_line() -> None:
    pages = [[line("Note", 20 + 11 * n), *body(n)] for n in range(6)]
    assert [page[0] for page in left(pages)] == ["Note"] * 6


def test_roman_numbers_and_a_beginning_at_a_later_page() -> None:
    romans = ["iii", "iv", "v", "vi", "vii"]
    pages = [body(0), *([*body(n + 1), line(roman, 770, 300)] for n, roman in enumerate(romans))]
    assert left(pages) == bodies(6)


@pytest.mark.parametrize(
    ("text", "rest", "number"),
    [
        ("12", "", 12),
        ("Page 3 of 10", "", 3),
        ("Seite 3 von 10", "", 3),
        ("- 4 -", "", 4),
        ("xiv", "", 14),
        ("User manual | 12", "User manual", 12),
        ("12 | User manual", "User manual", 12),
        ("User manual, page 12", "User manual", 12),
        ("User manual (Seite 2/9)", "User manual", 2),
        ("Chapter 12", "Chapter 12", None),
        ("1. Introduction", "1. Introduction", None),
        ("Total: 1,200.00", "Total: 1,200.00", None),
    ],
)
def test_the_number_of_a_page_in_a_header(text: str, rest: str, number: int | None) -> None:
    assert parted(text) == (rest, number)


def test_many_different_lines_are_forgotten() -> None:
    furniture = Furniture()
    for number in range(8_000):
        furniture.note(number, [line(f"a{number}", 20), line(f"b{number}", 40), line(f"c{number}", 60)], HEIGHT)
    assert len(furniture.places) <= 20_000
