"""What bytes are: by their magic numbers, whatever the sender calls them.

A file's name and media type decide only among kinds of text, which have no magic: Markdown, CSV, HTML without a
doctype. An Office file is told from any other ZIP by the names in its central directory; nothing is unpacked here.
"""

from __future__ import annotations

import re
import struct
from typing import Literal

from spatz.inputs.document import InputError, ReadOptions

__all__ = ["IMAGES", "TEXTS", "Kind", "is_image", "sniff", "unsupported", "wide_encoding"]

ImageKind = Literal["png", "jpeg", "webp", "gif", "bmp", "tiff"]
TextKind = Literal["docx", "xlsx", "pptx", "epub", "html", "markdown", "csv", "tsv", "text"]
Kind = Literal[ImageKind, TextKind, "pdf", "unsupported"]

IMAGES: frozenset[Kind] = frozenset({"png", "jpeg", "webp", "gif", "bmp", "tiff"})
TEXTS: frozenset[Kind] = frozenset({"docx", "xlsx", "pptx", "epub", "html", "markdown", "csv", "tsv", "text"})

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"%PDF-", "pdf"),
)
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})  # sizes of the header that follows the file's own
_PDF_LATER = re.compile(rb"[\r\n]%PDF-[12]\.")  # readers accept it anywhere in the first kilobyte
_ZIP_MEMBERS: tuple[tuple[bytes, Kind], ...] = (
    (b"word/document.xml", "docx"),
    (b"xl/workbook.xml", "xlsx"),
    (b"ppt/presentation.xml", "pptx"),
)
_EPUB = b"mimetypeapplication/epub+zip"
# Possessive, so that a head of nothing but comments costs one walk through it.
_PROLOGUE = r"\s*+(?:<\?xml[^>]*+>\s*+)?+(?:<!--(?>.*?-->)\s*+)*+"
_HTML = re.compile(_PROLOGUE + r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_HTML_PIECE = re.compile(_PROLOGUE + r"<(?:meta|title|div|table|p|h[1-6])\b", re.IGNORECASE | re.DOTALL)
_SUFFIXES: dict[str, Kind] = {
    "csv": "csv",
    "htm": "html",
    "html": "html",
    "markdown": "markdown",
    "md": "markdown",
    "tab": "tsv",
    "tsv": "tsv",
    "xhtml": "html",
}
_MEDIA_TYPES: dict[str, Kind] = {
    "application/csv": "csv",
    "application/xhtml+xml": "html",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "markdown",
    "text/tab-separated-values": "tsv",
}
_HEAD = 8_192
# What a text does not hold; tab, line feed, carriage return, form feed, backspace (man pages) and escape are fine.
_CONTROLS = bytes(set(range(32)) - {8, 9, 10, 12, 13, 27} | {127})


def sniff(data: bytes, options: ReadOptions) -> Kind:
    """The kind of data, or "unsupported", for which unsupported() has the error."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:2] == b"BM" and len(data) >= 26 and struct.unpack_from("<I", data, 14)[0] in _BMP_HEADERS:
        return "bmp"
    if data[:4] == b"PK\x03\x04":
        return _zip_kind(data)
    if _PDF_LATER.search(data, 0, 1_024):
        return "pdf"
    return _text_kind(data, options)


def is_image(kind: Kind) -> bool:
    return kind in IMAGES


def unsupported(data: bytes) -> InputError:
    """The error for bytes that sniff() calls unsupported: it says what they look like."""
    if not data:
        return InputError("it is empty", code="empty_file")
    readable = "images (PNG, JPEG, WebP, GIF, BMP, TIFF), PDF, DOCX, XLSX, PPTX, EPUB, HTML, CSV, Markdown and text"
    return InputError(f"it looks like {_describe(data)}; what can be read is {readable}", code="unsupported_file")


def _zip_kind(data: bytes) -> Kind:
    if data[30:58] == _EPUB:
        return "epub"
    # Names in the central directory are never compressed. It lies before the end's own record, which has its size; what
    # lies before that may be another archive, such as a table inside of a presentation.
    end = data.rfind(b"PK\x05\x06")
    size = struct.unpack_from("<L", data, end + 12)[0] if 0 <= end <= len(data) - 22 else 0
    directory = data[max(0, end - size) : max(0, end)]
    for member, kind in _ZIP_MEMBERS:
        if member in directory:
            return kind
    return "epub" if b"META-INF/container.xml" in directory and b".opf" in directory else "unsupported"


def _text_kind(data: bytes, options: ReadOptions) -> Kind:
    head = data[:_HEAD]
    if not head:
        return "unsupported"
    if wide := wide_encoding(head):
        start = head[: len(head) & ~3].decode(wide, "replace")
    elif len(head) - len(head.translate(None, _CONTROLS)) > len(head) // 200:
        return "unsupported"
    else:
        start = head.decode("utf-8", "replace")
    start = start.lstrip("\ufeff")
    if start.startswith("{\\rtf"):
        return "unsupported"
    _, dot, suffix = options.filename.rpartition(".")
    named = _SUFFIXES.get(suffix.lower()) if dot else None
    named = named or _MEDIA_TYPES.get(options.media_type.partition(";")[0].strip().lower())
    if _HTML.match(start) and named != "markdown":
        return "html"
    if named is None:
        return "html" if not dot and _HTML_PIECE.match(start) else "text"
    return "text" if named == "html" and "<" not in start else named


def wide_encoding(head: bytes) -> str:
    """The UTF-16 or UTF-32 that head is in, by its mark or by where its zero bytes lie; "" if it is neither."""
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = head[::2].count(0), head[1::2].count(0)
    # Without a mark: letters of a Latin script, so one byte of most pairs is zero, and always the same one.
    if len(head) >= 4 and even * 20 <= odd and odd * 10 >= len(head) * 3:
        return "utf-16-le"
    if len(head) >= 4 and odd * 20 <= even and even * 10 >= len(head) * 3:
        return "utf-16-be"
    return ""


def _describe(data: bytes) -> str:
    brand = data[8:12]
    if data[30:72] == b"mimetypeapplication/vnd.oasis.opendocument":
        return "an OpenDocument file (ODT, ODS, ODP)"
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF image" if brand[:3] in (b"hei", b"hev", b"mif", b"avi") else "a video"
    for magic, what in (
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office file of an old format (before 2007) or one with a password"),
        (b"PK", "a ZIP archive"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!", "a RAR archive"),
        (b"\x7fELF", "a program"),
        (b"MZ", "a program"),
        (b"ID3", "sound"),
        (b"OggS", "sound or a video"),
        (b"RIFF", "sound or a video"),
        (b"\x1a\x45\xdf\xa3", "a video"),
        (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
        (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
        (b"\xff\x0a", "a JPEG XL image"),
        (b"{\\rtf", "an RTF file"),
    ):
        if data.startswith(magic):
            return what
    return "neither text nor any file format that is known here"
