"""What is drawn on a page: the rules of tables, and pictures."""

from __future__ import annotations

import pytest
from PIL import Image

from inputs.pdf_files import HEIGHT, WIDTH, pdf, picture, raw, table, text, together, words_picture
from spatz.inputs import pdf_objects
from spatz.inputs.document import ReadOptions
from spatz.inputs.lines import Box
from spatz.inputs.pdf_file import open_pdf
from spatz.inputs.pdf_frame import frame_of
from spatz.inputs.pdf_objects import Drawn, read_objects
from spatz.inputs.pdf_pictures import is_blank, joined, pictures_to_read, render, whole_page
from spatz.inputs.pdf_text import read_text

WORDS = words_picture("Words", width=400, height=200)


def drawn_on(data: bytes) -> Drawn:
    with open_pdf(data, ReadOptions()) as file, file.page(0) as page:
        return read_objects(page)


def to_read(data: bytes) -> list[Box] | str:
    """Whether the whole page is read as a picture, or which parts of it."""
    with open_pdf(data, ReadOptions()) as file, file.page(0) as page:
        frame, drawn = frame_of(page), read_objects(page)
        layer = read_text(page, frame)
        return "all" if whole_page(layer, drawn) else pictures_to_read(layer, drawn, frame)


def test_a_tables_grid() -> None:
    data = pdf(table([["a", "b"], ["c", "d"], ["e", "f"]], x=100, y=200, width=80))
    with open_pdf(data, ReadOptions()) as file, file.page(0) as page:
        rules = read_objects(page).rules_in(frame_of(page), 0)
    upright = sorted({round(rule.x0) for rule in rules if rule.upright})
    level = {round(rule.y0) for rule in rules if not rule.upright}
    assert upright == [100, 180, 260]
    assert len(level) == 4 and min(level) == 200
    assert all(rule.x0 == rule.x1 or rule.y0 == rule.y1 for rule in rules)


@pytest.mark.parametrize(
    ("stream", "count"),
    [
        (b"100 100 m 300 100 l S", 1),  # a line
        (b"100 100 200 1 re f", 1),  # a filled box that looks like one
        (b"100 100 200 80 re S", 4),  # a drawn box
        (b"100 100 200 80 re f", 0),  # a coloured area
        (b"100 100 m 300 300 l S", 0),
        (b"100 100 m 150 200 200 200 250 100 c S", 0),
        (b"100 100 m 300 100 l 100 120 m 300 120 l 100 100 m 100 120 l S", 3),
        (b"100 100 1 1 re f", 0),  # a dot
    ],
)
def test_which_paths_are_rules(stream: bytes, count: int) -> None:
    assert len(drawn_on(raw(stream)).rules) == count


def test_objects_within_objects_lie_where_they_are_drawn() -> None:
    head = b"<</Type/XObject/Subtype/Form/BBox[0 0 500 500]/Matrix[1 0 0 1 10 0]/Length 15>>"
    form = head + b"stream\n0 0 m 100 0 l S\nendstream"
    data = raw(b"q 2 0 0 2 50 300 cm /Fm Do Q", objects=[form]).replace(
        b"/Resources<<", b"/Resources<</XObject<</Fm 6 0 R>>"
    )
    [rule] = drawn_on(data).rules
    assert rule == pytest.approx((70, 300, 270, 300), abs=3)


def test_a_form_that_draws_itself_ends() -> None:
    form = (
        b"<</Type/XObject/Subtype/Form/BBox[0 0 500 500]/Resources<</XObject<</Fm 6 0 R>>>>/Length 22>>"
        b"stream\n0 0 m 100 0 l S /Fm Do\nendstream"
    )
    data = raw(b"/Fm Do", objects=[form]).replace(b"/Resources<<", b"/Resources<</XObject<</Fm 6 0 R>>", 1)
    assert len(drawn_on(data).rules) <= pdf_objects.MAX_DEPTH


def test_many_objects_are_not_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_objects, "MAX_OBJECTS", 50)
    monkeypatch.setattr(pdf_objects, "MAX_RULES", 20)
    drawn = drawn_on(raw(b"100 100 m 300 100 l S\n" * 100))
    assert drawn.more and drawn.paths == 50 and len(drawn.rules) == 20


def test_a_page_without_text_is_read_whole() -> None:
    assert to_read(pdf(picture(WORDS, 72, 100, 300, 150))) == "all"
    assert to_read(raw(b"100 100 m 150 200 200 200 250 100 c f")) == "all"
    assert to_read(raw(b"")) == []


def test_pictures_between_text() -> None:
    upper, lower = text("Some text of the page", y=50), picture(WORDS, 72, 100, 300, 150)
    [box] = to_read(pdf(together(upper, lower)))
    assert box == pytest.approx((72, 100, 372, 250), abs=0.1)
    assert to_read(pdf(together(upper, picture(WORDS, 72, 100, 40, 20)))) == []  # a logo


def test_a_recognised_scan_is_not_read_again_and_one_with_a_stamp_is() -> None:
    scan = picture(WORDS, 0, 0, WIDTH, HEIGHT)
    assert to_read(pdf(together(scan, text(*["what somebody has recognised"] * 20)))) == []
    assert to_read(pdf(together(scan, text("Received 2024-05-01")))) == [pytest.approx((0, 0, WIDTH, HEIGHT), abs=0.1)]


def test_strips_are_one_picture() -> None:
    assert joined([(0, 0, 10, 5), (0, 10, 10, 15), (0, 5, 10, 10), (50, 50, 60, 60)]) == [
        (0, 0, 10, 15),
        (50, 50, 60, 60),
    ]
    assert joined([(float(n % 30) * 20, float(n), float(n % 30) * 20 + 1, float(n)) for n in range(1000)]) == [
        (0, 0, 581, 999)
    ]


@pytest.mark.parametrize("turns", [0, 90, 180, 270])
def test_a_place_is_rendered_as_it_is_seen(turns: int) -> None:
    """A black box in one corner of the page, wherever that goes."""
    data = raw(b"0 0 0 rg 10 10 100 40 re f", page=b"/Rotate %d" % turns)
    options = ReadOptions(detail="low")
    with open_pdf(data, options) as file, file.page(0) as page:
        frame = frame_of(page)
        box = frame.place((10, 10, 110, 50), frame.turns)
        image, scale = render(page, None, frame, box, options)
        whole, _ = render(page, None, frame, (0, 0, *frame.size(frame.turns)), options)
    assert image.size == ((153, 61) if turns in (0, 180) else (61, 153)) and scale == pytest.approx(110 / 72)
    assert max(pixel[0] for _, pixel in image.crop((2, 2, image.width - 2, image.height - 2)).getcolors()) == 0
    assert whole.mode == "RGB" and not is_blank(whole)


def test_huge_pages_are_rendered_small() -> None:
    data = raw(b"0 0 0 rg 10 10 1000 1000 re f").replace(b"[0 0 595 842]", b"[0 0 14400 14400]")
    options = ReadOptions(max_pixels=1_000_000)
    with open_pdf(data, options) as file, file.page(0) as page:
        image, _ = render(page, None, frame_of(page), (0, 0, 14400, 14400), options)
    assert image.size == (1000, 1000)


def test_blank() -> None:
    assert is_blank(Image.new("RGB", (100, 100), (250, 250, 245)))
    assert not is_blank(WORDS)
