"""Opening PDFs: passwords, damage, page ranges, titles."""

from __future__ import annotations

import pytest

from inputs.pdf_files import pdf, raw, text
from spatz.inputs.document import InputError, ReadOptions
from spatz.inputs.pdf_file import open_pdf

HELLO = b"BT /F1 12 Tf 72 700 Td (Hello) Tj ET"


def refused(data: bytes, options: ReadOptions | None = None) -> InputError:
    with pytest.raises(InputError) as caught, open_pdf(data, options or ReadOptions()):
        pass
    assert caught.value.status == 400
    return caught.value


def test_a_password_is_needed() -> None:
    error = refused(pdf(text("secret"), password="geheim"))
    assert error.code == "encrypted_file" and "password" in error.message


def test_the_empty_password_opens() -> None:
    with open_pdf(pdf(text("not secret"), password=""), ReadOptions()) as file:
        assert file.total == 1


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4\n%%EOF", b"no PDF at all" * 100, b"%PDF-1.7\n" + b"\0" * 5000])
def test_what_is_no_pdf(data: bytes) -> None:
    assert refused(data).code == "invalid_file"


def test_no_pages() -> None:
    assert "no pages" in refused(raw(b"", count=0)).message


def test_a_lost_table_of_objects_is_repaired() -> None:
    damaged = raw(HELLO).replace(b"xref", b"xxxx").replace(b"startxxxx", b"startzzzz")
    with open_pdf(damaged, ReadOptions()) as file, file.page(0) as page:
        assert page


def test_a_damaged_page_is_none() -> None:
    with open_pdf(raw(HELLO).replace(b"/Type/Page/", b"/Type/Pagf/"), ReadOptions()) as file, file.page(5) as page:
        assert page is None


@pytest.mark.parametrize(("asked", "first", "end"), [((2, 3), 1, 3), ((4, 9), 3, 4), ((1, 1), 0, 1), (None, 0, 4)])
def test_pages_that_are_asked_for(asked: tuple[int, int] | None, first: int, end: int) -> None:
    with open_pdf(raw(HELLO, count=4), ReadOptions(pages=asked)) as file:
        assert (file.first, file.end, file.total, file.notes) == (first, end, 4, [])


@pytest.mark.parametrize("asked", [(5, 6), (0, 1), (3, 2), (-1, -1)])
def test_pages_that_are_not_there(asked: tuple[int, int]) -> None:
    error = refused(raw(HELLO, count=4), ReadOptions(pages=asked))
    assert error.code == "invalid_pages" and "4" in error.message


def test_pages_beyond_the_limit_are_noted() -> None:
    with open_pdf(raw(HELLO, count=9), ReadOptions(pages=(2, 9), max_pages=3)) as file:
        assert (file.first, file.end) == (1, 4)
        [note] = file.notes
    assert note.code == "pages_left_out" and "Pages 5 to 9" in note.message


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("Annual report", "Annual report"),
        ("  two\n lines ", "two lines"),
        ("Microsoft Word - Letter to Ada", "Letter to Ada"),
        ("Microsoft Word - letter.docx", ""),
        ("untitled", ""),
        ("x" * 1000, "x" * 300),
    ],
)
def test_titles(given: str, title: str) -> None:
    with open_pdf(pdf(text("x"), title=given), ReadOptions()) as file:
        assert file.title == title
