"""What bytes are, and that a name cannot make something else of them."""

from __future__ import annotations

import io
import zipfile

import pytest

from inputs.zips import zipped
from spatz.inputs.document import ReadOptions
from spatz.inputs.sniff import IMAGES, TEXTS, is_image, sniff, unsupported


def archive(*names: str, inner: bytes = b"<x/>") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, b"application/epub+zip" if name == "mimetype" else inner)
    return out.getvalue()


BMP = b"BM" + bytes(12) + (40).to_bytes(4, "little") + bytes(30)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n....", "png"),
        (b"\xff\xd8\xff\xe0....", "jpeg"),
        (b"GIF89a....", "gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "webp"),
        (BMP, "bmp"),
        (b"II*\0\x08\0\0\0", "tiff"),
        (b"MM\0*\0\0\0\x08", "tiff"),
        (b"%PDF-1.7\n", "pdf"),
        (b"\xef\xbb\xbf junk of a mail gateway\r\n%PDF-1.4\n", "pdf"),
        (archive("[Content_Types].xml", "word/document.xml"), "docx"),
        (archive("[Content_Types].xml", "xl/workbook.xml"), "xlsx"),
        (archive("[Content_Types].xml", "ppt/presentation.xml"), "pptx"),
        (archive("a.xlsx", "ppt/presentation.xml", inner=archive("xl/workbook.xml", "word/document.xml")), "pptx"),
        (archive("mimetype", "META-INF/container.xml", "OEBPS/content.opf"), "epub"),
        (archive("META-INF/container.xml", "content.opf"), "epub"),
        (archive("a.txt"), "unsupported"),
        (b"<!DOCTYPE html><title>x</title>", "html"),
        (b"\n<?xml version='1.0'?>\n<!-- a -->\n<html xmlns='x'>", "html"),
        ("\ufeff<html><body>Grüße".encode("utf-16"), "html"),
        (b"BMW ist eine Marke", "text"),
        ("Grüße".encode("latin-1"), "text"),
        ("Wide text without a mark".encode("utf-16-le"), "text"),
        ("Wide text without a mark".encode("utf-16-be"), "text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text"),
        (b"see %PDF-1.4 in the manual", "text"),
        (b"\x7fELF" + bytes(range(200)), "unsupported"),
        (bytes(100), "unsupported"),
        (b"", "unsupported"),
        (b"{\\rtf1 Text}", "unsupported"),
        (b"<div><p>A piece of a page</p></div>", "html"),
        (b"<!---->" * 1_200 + b"<x", "text"),  # in one walk
    ],
)
def test_magic(data: bytes, kind: str) -> None:
    assert sniff(data, ReadOptions()) == kind
    assert (kind in IMAGES) + (kind in TEXTS) + (kind in {"pdf", "unsupported"}) == 1
    assert is_image(sniff(data, ReadOptions())) == (kind in IMAGES)


@pytest.mark.parametrize(
    ("name", "media_type", "kind"),
    [
        ("a.md", "", "markdown"),
        ("A.CSV", "", "csv"),
        ("a.tsv", "text/plain", "tsv"),
        ("", "text/csv; charset=utf-8", "csv"),
        ("notes.txt", "", "text"),
        ("main.py", "", "text"),
        ("a.html", "", "text"),  # no tag in it
        ("a.png", "image/png", "text"),
        ("a.pdf", "application/pdf", "text"),
        ("md", "", "text"),
    ],
)
def test_a_name_decides_among_texts_only(name: str, media_type: str, kind: str) -> None:
    options = ReadOptions(filename=name, media_type=media_type)
    assert sniff(b"one, two\nthree, four\n", options) == kind
    assert sniff(b"\x89PNG\r\n\x1a\n....", options) == "png"


def test_a_page_is_a_page_whatever_its_name_but_markdown_may_begin_with_a_tag() -> None:
    assert sniff(b"<!doctype html><p>x", ReadOptions(filename="a.txt")) == "html"
    assert sniff(b"<div align=center># A readme", ReadOptions(filename="README.md")) == "markdown"
    assert sniff(b"<p>x</p>", ReadOptions(filename="a.html")) == "html"
    assert sniff(b"<p>x</p>", ReadOptions(filename="a.txt")) == "text"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "password"),
        (archive("a.txt"), "ZIP"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}, zipfile.ZIP_STORED), "OpenDocument"),
        (b"\0\0\0\x18ftypheic\0\0", "HEIC"),
        (b"{\\rtf1 Text}", "RTF"),
        (b"\0\0\0\x18ftypisom\0\0", "video"),
        (bytes(range(256)), "neither text"),
    ],
)
def test_the_error_says_what_it_looks_like(data: bytes, word: str) -> None:
    assert sniff(data, ReadOptions()) == "unsupported"
    error = unsupported(data)
    assert word in error.message and error.status == 400
