"""Books: their chapters in order, their marks, and pages that are not quite XML."""

from __future__ import annotations

import pytest

from inputs import zips
from spatz.inputs.convert import convert
from spatz.inputs.document import InputError, ReadOptions

XHTML = "<?xml version='1.0' encoding='utf-8'?><!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.1//EN' 'x.dtd'>"


def page(body: str) -> str:
    return f'{XHTML}<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{body}</body></html>'


def test_chapters_come_in_order_with_their_marks() -> None:
    data = zips.epub(
        [page("<h1>Eins</h1><p>a&nbsp;&auml; &lt; b</p>"), page("<p>[chapter 7]</p><nav>kept</nav>"), "<p>open<br>tag"]
    )
    document = convert(data, ReadOptions())
    assert document.markdown == (
        "[chapter 1]\n\n# Eins\n\na\xa0ä < b\n\n[chapter 2]\n\n(chapter 7)\n\nkept\n\n[chapter 3]\n\nopen\ntag"
    )
    assert (document.title, document.pages, document.read_pages) == ("A book", 3, 3)
    assert convert(data, ReadOptions(pages=(3, 3))).markdown == "[chapter 3]\n\nopen\ntag"


def test_entities_are_not_expanded_in_any_part() -> None:
    bomb = '<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    document = convert(zips.epub([f"{bomb}<html><body><p>x &a; &f; y</p></body></html>"]), ReadOptions())
    assert "aaaa" not in document.markdown and "root:" not in document.markdown
    with pytest.raises(InputError):
        convert(zips.epub([], more={"META-INF/container.xml": bomb + zips.CONTAINER}), ReadOptions())


@pytest.mark.parametrize(
    "more",
    [
        {"META-INF/container.xml": "<container/>"},
        {"META-INF/container.xml": "<cont"},
        {"OPS/content.opf": "<package/>"},
        {"META-INF/rights.xml": "<rights/>"},
    ],
)
def test_books_that_cannot_be_read(more: dict[str, str]) -> None:
    files = {"OPS/content.opf": "<package><spine/></package>", **more}
    with pytest.raises(InputError):
        convert(zips.epub([], more=files), ReadOptions())
