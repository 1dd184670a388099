"""Error rates, cells and pairs, against texts of which the answer is known."""

from __future__ import annotations

import random

import pytest

from spatz.evals.documents.sample import Truth
from spatz.evals.documents.scoring import Cells, cells, edit_distance, pairs_found, plain, score, tables_in


def by_rows(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        above, row = row, [place]
        for column, read in enumerate(other, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (letter != read)))
    return row[-1]


def test_the_distance_is_levenshteins() -> None:
    draw = random.Random(1)
    for _ in range(300):
        one, other = ("".join(draw.choices("abc ", k=draw.randrange(70))) for _ in range(2))
        assert edit_distance(one, other) == by_rows(one, other), (one, other)
    assert edit_distance("a" * 3000, "a" * 1500 + "b" * 1500) == 1500


def test_marks_do_not_count_but_letters_do() -> None:
    markdown = (
        "[Image of 640 x 480 pixels; 3 lines of text:]\n\n# Title\n\n- a **bold**  point\n\n"
        "| A | B\\|C |\n| --- | ---: |\n| 1 | 2 |\n\n[page 2]\nx \\* y"
    )
    assert plain(markdown) == "Title a bold point A B|C 1 2 x * y"
    assert plain("- 5 \u201edegrees\u201c") == '5 "degrees"'
    assert plain("-5 degrees") == "-5 degrees"


def test_the_best_order_counts() -> None:
    truth = Truth(("left one\nright one", "right one\nleft one"))
    assert score("right one\n\nleft one", truth).edits == 0
    found = score("right on\n\nleft one", truth)
    assert (found.edits, found.characters) == (1, len("right one left one"))
    assert score("", truth).edits == found.characters


TABLE = (("Item", "Count"), ("Lamp", "1"), ("Pen", ""), ("Cup", "3"))
WHOLE = "| Item | Count |\n|---|---|\n| Lamp | 1 |\n| Pen | |\n| Cup | 3 |\n"


@pytest.mark.parametrize(
    ("markdown", "found"),
    [
        (WHOLE, Cells(7, 7, 7)),
        (WHOLE.replace("Lamp", "Lump"), Cells(6, 7, 7)),
        (WHOLE.replace("| Pen | |\n", ""), Cells(6, 6, 7)),  # the rows below still agree
        (WHOLE.replace("| Lamp | 1 |", "| 1 | Lamp |"), Cells(5, 7, 7)),  # in the wrong columns
        (WHOLE + "| Total: | 4 |\n", Cells(7, 7, 7)),  # which stands below the table
        (WHOLE + "| Sum | 4 |\n", Cells(7, 9, 7)),
        ("Item Count Lamp 1", Cells(0, 0, 7)),
        ("| x |\n\n" + WHOLE, Cells(7, 7, 7)),
    ],
)
def test_cells(markdown: str, found: Cells) -> None:
    assert cells(markdown, Truth(("",), (TABLE,), (("Total:", "4"),))) == found


def test_tables_end_where_their_lines_do() -> None:
    assert tables_in("| a | b |\n\n| c |\ntext\n| d |") == [(("a", "b"),), (("c",),), (("d",),)]


@pytest.mark.parametrize(
    ("markdown", "right"),
    [
        ("Name: Ada", 1),
        ("| Name | Ada |", 1),
        ("Name\n\nAda", 1),
        ("**Name:** Ada", 1),
        ("Name of the person: Ada", 0),
        ("Ada Name", 0),
    ],
)
def test_pairs(markdown: str, right: int) -> None:
    assert pairs_found(markdown, [("Name", "Ada")]) == right
