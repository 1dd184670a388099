from __future__ import annotations

from inputs.drawing import line
from spatz.inputs.layout import arrange
from spatz.inputs.lines import Line, Rule, Sheet

LEFT = [
    "the quick brown fox jumps over the",
    "lazy dog and then runs off into the",
    "wood where nobody will ever find it",
    "again, however long they may look.",
]
RIGHT = [
    "another story begins on this side of",
    "the page and has nothing to do with",
    "the one on the left, although their",
    "lines stand on the same heights.",
]


def sheet(*lines: Line, rules: tuple[Rule, ...] = ()) -> Sheet:
    return Sheet(600, 800, lines, rules)


def test_columns_of_text_are_read_one_after_the_other() -> None:
    lines = [line(text, 50, 100 + 14 * i) for i, text in enumerate(LEFT)]
    lines += [line(text, 300, 100 + 14 * i) for i, text in enumerate(RIGHT)]
    title = line("Two stories beside each other on one page", 50, 60, size=18)
    text = arrange(sheet(*reversed(lines), title))
    assert text == "\n\n".join(["# Two stories beside each other on one page", " ".join(LEFT), " ".join(RIGHT)])


def test_labels_and_values_share_a_line() -> None:
    lines = [line("Invoice number:", 50, 100), line("12345", 200, 100)]
    lines += [line("Date:", 50, 114), line("1 May 2025", 200, 114)]
    assert arrange(sheet(*lines)) == "Invoice number: 12345\nDate: 1 May 2025"


def test_an_address_beside_pairs_stays_in_one_piece() -> None:
    address = ["Nathan Ellis", "77 Harbour View", "Oxford OX1 3DP"]
    pairs = [("Number:", "R-1"), ("Date:", "2025-01-02"), ("Account:", "55724")]
    lines = [line(text, 50, 100 + 14 * i) for i, text in enumerate(address)]
    for i, (label, value) in enumerate(pairs):
        lines += [line(label, 330, 100 + 14 * i), line(value, 445, 100 + 14 * i)]
    assert arrange(sheet(*lines)) == "\n".join(address) + "\n\n" + "\n".join(f"{a} {b}" for a, b in pairs)


def test_a_sender_at_the_right_comes_before_what_stands_below_it() -> None:
    lines = [line("Granite Peak", 480, 50), line("143 Church Road", 465, 64)]
    lines += [line("Billed to", 50, 120), line("Nathan Ellis", 50, 134)]
    assert arrange(sheet(*lines)) == "Granite Peak\n143 Church Road\n\nBilled to\nNathan Ellis"


ROWS = [
    ("Item", "Qty", "Price"),
    ("Desk lamp, adjustable", "4", "556.12"),
    ("USB-C cable 2 m", "12", "7.50"),
    ("Network switch", "", "500.47"),
]
TABLE = """\
| Item | Qty | Price |
| --- | ---: | ---: |
| Desk lamp, adjustable | 4 | 556.12 |
| USB-C cable 2 m | 12 | 7.50 |
| Network switch |  | 500.47 |"""


def cells(y: float, pitch: float = 20.0) -> list[Line]:
    lines = []
    for number, (item, count, price) in enumerate(ROWS):
        top = y + pitch * number
        lines.append(line(item, 55, top))
        lines += [line(text, right - 5.0 * len(text), top) for text, right in ((count, 300), (price, 400)) if text]
    return lines


def test_rows_under_each_other_are_a_table() -> None:
    above = line("Please find below what you ordered from us in the last week.", 55, 60)
    below = line("Thank you for your order, and we look forward to the next.", 55, 200)
    assert arrange(sheet(above, *cells(100), below)) == f"{above.text}\n\n{TABLE}\n\n{below.text}"


def test_drawn_lines_are_a_table() -> None:
    xs, ys = (50.0, 250.0, 310.0, 410.0), [95.0 + 20 * i for i in range(5)]
    rules = tuple(Rule(xs[0], y, xs[-1], y) for y in ys) + tuple(Rule(x, ys[0], x, ys[-1]) for x in xs)
    assert arrange(sheet(*cells(100), rules=rules)) == TABLE


def test_a_cell_over_several_columns_stands_in_the_first() -> None:
    xs, ys = (50.0, 250.0, 310.0, 410.0), [95.0 + 20 * i for i in range(6)]
    rules = tuple(Rule(xs[0], y, xs[-1], y) for y in ys)
    # the uprights within end above the last row
    rules += tuple(Rule(x, ys[0], x, ys[-1] if x in (xs[0], xs[-1]) else ys[-2]) for x in xs)
    total = line("Everything together is free of charge this time", 120, 180)
    assert arrange(sheet(*cells(100), total, rules=rules)) == f"{TABLE}\n| {total.text} |  |  |"


def test_a_second_line_of_an_item_belongs_to_it() -> None:
    lines = cells(100, pitch=30)
    lines.append(line("with a long cord", 55, 142))
    assert "| Desk lamp, adjustable with a long cord | 4 | 556.12 |" in arrange(sheet(*lines))


def test_a_bar_in_a_cell_ends_no_cell() -> None:
    lines = [*cells(100), line("a|b", 55, 180), line("9", 295, 180), line("1.00", 380, 180)]
    assert arrange(sheet(*lines)).endswith("| a\\|b | 9 | 1.00 |")


def test_nothing_is_nothing() -> None:
    assert arrange(sheet()) == ""


def test_every_line_is_kept_whatever_the_page_is_like() -> None:
    """Lines all over each other, and of all sizes."""
    lines = [line(f"w{i}", (37 * i) % 500, (53 * i) % 700, size=4 + i % 17) for i in range(200)]
    rules = tuple(
        Rule(
            (i * 31) % 400, (i * 17) % 600, (i * 31) % 400 + (90 if i % 2 else 0), (i * 17) % 600 + (0 if i % 2 else 90)
        )
        for i in range(40)
    )
    text = arrange(sheet(*lines, rules=rules))
    words = text.replace("|", " ").split()
    assert sorted(word for word in words if word.startswith("w")) == sorted(each.text for each in lines)


def test_a_menu_beside_a_form_is_no_table() -> None:
    menu = ["General", "Network", "Accounts", "Privacy", "Updates"]
    form = [("User name", "Rebecca"), ("Language", "English"), ("Time zone", "Europe"), ("Proxy", "none")]
    lines = [line(text, 50, 100 + 18 * i) for i, text in enumerate(menu)]
    for i, (label, value) in enumerate(form):
        lines += [line(label, 200, 100 + 27 * i), line(value, 330, 100 + 27 * i)]
    assert arrange(sheet(*lines)) == "\n".join(menu) + "\n\n" + "\n\n".join(f"{a} {b}" for a, b in form)
