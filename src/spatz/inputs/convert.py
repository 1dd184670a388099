"""A file that is neither an image nor a PDF to Markdown: texts, tables, web pages, Office files, books.

Picks the reader by what the bytes are (sniff.py). Each reader bounds what it unpacks and builds; the time is bounded by
the process that this runs in.
"""

from __future__ import annotations

import re

from spatz.inputs.delimited import delimited
from spatz.inputs.document import Document, InputError, Note, ReadOptions
from spatz.inputs.markdown import bounded, clean
from spatz.inputs.plain import decode
from spatz.inputs.sections import selected
from spatz.inputs.sniff import Kind, sniff, unsupported

__all__ = ["convert"]

_HEADING = re.compile(r"^#{1,2} +(.{1,200})$", re.MULTILINE)


def convert(data: bytes, options: ReadOptions) -> Document:
    """Raises InputError for what is damaged, too large, or of no kind that is known."""
    try:
        return _convert(data, options, sniff(data, options))
    except RecursionError:
        raise InputError("its parts are nested too deep") from None


def _convert(data: bytes, options: ReadOptions, kind: Kind) -> Document:
    if kind == "html":
        from spatz.inputs.html import read_html

        return read_html(data, options)
    if kind == "docx":
        from spatz.inputs.docx import read_docx

        return read_docx(data, options)
    if kind == "xlsx":
        from spatz.inputs.xlsx import read_xlsx

        return read_xlsx(data, options)
    if kind == "pptx":
        from spatz.inputs.pptx import read_pptx

        return read_pptx(data, options)
    if kind == "epub":
        from spatz.inputs.epub import read_epub

        return read_epub(data, options)
    if kind in ("text", "markdown", "csv", "tsv"):
        return _read_text(data, options, kind)
    raise unsupported(data)


def _read_text(data: bytes, options: ReadOptions, kind: Kind) -> Document:
    selected(1, options, "page")
    text, notes = decode(data, options.media_type)
    text, cut = bounded(clean(text).strip("\n"), options)
    title = ""
    if kind in ("csv", "tsv"):
        table = delimited(text, tabs=kind == "tsv")
        if table is None:
            notes += (Note("no_table", "Its lines do not make a table; it was read as plain text."),)
        text = table or text
    elif kind == "markdown" and (heading := _HEADING.search(text[: 1 << 16])):
        title = heading.group(1).strip()
    if not text.strip():
        notes += (Note("no_text", "There is no text in it."),)
    if not cut:
        text, cut = bounded(text, options)
    return Document("text", text[: options.max_text], title=title, notes=notes + cut)
