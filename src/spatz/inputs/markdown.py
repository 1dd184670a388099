"""Pieces of Markdown that several readers write: tables, and text that is cleaned and cut to its bound."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from spatz.inputs.document import Note, ReadOptions

__all__ = ["bounded", "cell", "clean", "table"]

MAX_FILLED = 3_000_000  # cells

_BREAKS = re.compile(r"\s*[\n\r\x0b\x0c\x85\u2028\u2029]\s*")
# Control characters that no reader of the text has a use for; surrogates cannot be sent on.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")


def clean(text: str) -> str:
    """Line ends as \\n, no control characters, no mark of byte order."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\f" in text:
        text = text.replace("\f", "\n")
    if _CONTROLS.search(text):
        text = _CONTROLS.sub("", text)
    return text.lstrip("\ufeff")


def cell(text: str) -> str:
    """Text as one cell of a table."""
    text = text.strip()
    if "\n" in text or "\r" in text or "\u2028" in text:
        text = _BREAKS.sub(" ", text)
    return text.replace("|", "\\|") if "|" in text else text


def table(rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head. Rows may differ in length. "" for no cells at all.

    Short rows are filled up, but not to millions of empty cells because one row is long.
    """
    held = [list(map(cell, row)) for row in rows]
    width = max(map(len, held), default=0)
    if not width:
        return ""
    lines = []
    fill = width * len(held) <= MAX_FILLED
    for number, row in enumerate(held):
        if fill and len(row) < width:
            row += [""] * (width - len(row))
        lines.append(f"| {' | '.join(row)} |")
        if number == 0:
            lines.append("|" + " --- |" * (width if fill else len(row)))
    return "\n".join(lines)


def bounded(markdown: str, options: ReadOptions) -> tuple[str, tuple[Note, ...]]:
    """Cut to options.max_text, with a note that says so."""
    if len(markdown) <= options.max_text:
        return markdown, ()
    note = Note("text_left_out", f"Only the first {options.max_text} characters were read.")
    return markdown[: options.max_text], (note,)
