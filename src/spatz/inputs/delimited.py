"""CSV and TSV to a Markdown table. Which character separates the columns is found out from the first lines."""

from __future__ import annotations

import csv
import io

from spatz.inputs.markdown import table

__all__ = ["delimited"]

SAMPLE_LINES = 50
SEPARATORS = ",;\t|"


def delimited(text: str, *, tabs: bool = False) -> str | None:
    """A Markdown table, or None for a text that is no table: its columns differ, or its quotes never end."""
    if tabs:
        separator: str | None = "\t"
    else:
        named = text[:6].lower().startswith("sep=") and text[5:6] in ("\n", "")  # a line that Excel writes
        separator = text[4] if named else _separator(text)
        text = text[6:] if named else text
    if separator is None:
        return None
    rows = _rows(text, separator)
    return table(rows) if rows else None


def _separator(text: str) -> str | None:
    """The one by which most of the first lines have the same number of columns, more than one."""
    lines = text[: 1 << 16].splitlines(keepends=True)[: SAMPLE_LINES + 1]
    sample = "".join(lines[:SAMPLE_LINES])
    best, most = None, 0.0
    for separator in SEPARATORS:
        widths = [len(row) for row in _rows(sample, separator) or ()]
        if not widths:
            continue
        usual = max(set(widths), key=lambda width: (widths.count(width), width))
        share = widths.count(usual) / len(widths)
        if usual > 1 and share >= 0.5 and share + usual / 1_000 > most:
            best, most = separator, share + usual / 1_000
    return best


def _rows(text: str, separator: str) -> list[list[str]] | None:
    try:
        # strict=False reads what spreadsheets write and people edit; a field's length is bounded by the library.
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)]
    except csv.Error:
        return None
