"""Sheets of a workbook as Markdown tables. Each begins with its mark, `[sheet 2: Name]`.

Empty rows divide a sheet into tables, and columns without anything are left out. A cell shows its last computed value
as its format shows it; a formula that was never computed stands there itself. Rows are streamed, so a large sheet does
not need to fit into memory as a tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from spatz.inputs.document import Document, InputError, Note, ReadOptions
from spatz.inputs.markdown import bounded, clean, table
from spatz.inputs.package import Package
from spatz.inputs.sections import mark, selected, unmarked
from spatz.inputs.xlsx_formats import GENERAL, Format, formats
from spatz.inputs.xml_tree import Element, each, local, whole

__all__ = ["read_xlsx"]

MAX_CELLS = 3_000_000  # of a workbook, with the empty ones that fill a table
MAX_COLUMNS = 16_384
MAX_STRINGS = 4_000_000
MAIN = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
_COLUMN = re.compile(r"[A-Z]{1,3}")


def read_xlsx(data: bytes, options: ReadOptions) -> Document:
    """Raises InputError."""
    package = Package(data)
    book = _Book.read(package)
    book.max_text = options.max_text
    if not book.sheets:
        raise InputError("it has no sheets")
    chosen, notes = selected(len(book.sheets), options, "sheet")
    texts = []
    size = read = 0
    for number in chosen:
        sheet = book.sheets[number]
        text = clean("\n\n".join(_blocks(package, book, sheet.part)))
        texts.append(
            f"{mark('sheet', number + 1, sheet.name + ' (hidden)' * sheet.hidden)}\n\n{unmarked(text)}".strip()
        )
        size += len(text)
        read += 1
        if size > options.max_text:
            break
    if pictures := len(package.pictures()):
        notes += (Note("pictures_left_out", f"{pictures} pictures in it were not read."),)
    if any(name.startswith("xl/charts/") for name in package.archive.names()):
        notes += (Note("charts_left_out", "Charts in it were not read; the figures behind them are in its sheets."),)
    if not size:
        notes += (Note("no_text", "There is nothing in its cells."),)
    markdown, cut = bounded("\n\n".join(texts), options)
    return Document("text", markdown, title=package.title(), pages=len(book.sheets), read_pages=read, notes=notes + cut)


@dataclass(slots=True)
class _Sheet:
    name: str
    part: str
    hidden: bool


@dataclass(slots=True)
class _Book:
    sheets: list[_Sheet] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    formats: list[Format] = field(default_factory=list)
    since: datetime = datetime(1899, 12, 30)
    max_text: int = 0
    cells: int = 0  # that were read
    size: int = 0  # characters in them

    @classmethod
    def read(cls, package: Package) -> _Book:
        book = cls()
        main = package.main()
        relations = package.relations(main)
        for entry in package.tree(main).iter():
            name = local(entry)
            if name == "workbookPr" and entry.get("date1904") in ("1", "true"):
                book.since = datetime(1904, 1, 1)
            elif name == "sheet":
                key = next((value for name, value in entry.attrib.items() if name.endswith("}id")), "")
                relation = relations.get(key)
                if relation is not None and relation.kind == "worksheet" and relation.target in package:
                    hidden = entry.get("state", "visible") != "visible"
                    book.sheets.append(_Sheet(entry.get("name") or "", relation.target, hidden))
        for relation in relations.values():
            if relation.target in package and relation.kind == "styles":
                book.formats = formats(package.tree(relation.target))
            elif relation.target in package and relation.kind == "sharedStrings":
                with package.open(relation.target) as stream:
                    for item in each(stream, *_tags("si")):
                        book.strings.append(_text(item))
                        if len(book.strings) > MAX_STRINGS:
                            raise InputError("it has too many texts", code="file_too_large")
        return book

    def count(self, cells: int) -> None:
        self.cells += cells
        if self.cells > MAX_CELLS:
            raise InputError(f"its tables have more than {MAX_CELLS} cells", code="file_too_large")


def _blocks(package: Package, book: _Book, part: str) -> Iterator[str]:
    """What is between empty rows, each as a table; as lines where there is one column only."""
    held: list[dict[int, str]] = []
    last = 0
    with package.open(part) as stream:
        for row in each(stream, *_tags("row")):
            number = whole(row.get("r") or "", last + 1, 1 << 30)
            cells = _cells(row, book)
            book.count(1 + len(row))
            if held and (not cells or number != last + 1):
                yield _block(held, book)
                held = []
            if cells:
                held.append(cells)
            if book.size > book.max_text:
                break
            last = number
    if held:
        yield _block(held, book)


def _block(rows: list[dict[int, str]], book: _Book) -> str:
    columns = sorted({column for row in rows for column in row})
    if len(columns) == 1:
        return "\n".join(text for row in rows for text in row.values())
    book.count(len(columns) * len(rows))
    return table([[row.get(column, "") for column in columns] for row in rows])


def _cells(row: Element, book: _Book) -> dict[int, str]:
    """column -> text, of cells that hold something."""
    found = {}
    column = -1
    for cell in row:
        name = _COLUMN.match(cell.get("r") or "")
        column = _column(name[0]) if name else column + 1
        text = _value(cell, book).strip()
        if text and column < MAX_COLUMNS:
            found[column] = text
            book.size += len(text)
            if book.size > book.max_text:  # one long text can stand in many cells
                break
    return found


def _value(cell: Element, book: _Book) -> str:
    kind = cell.get("t")
    value = formula = None
    for part in cell:
        name = local(part)
        if name == "v":
            value = part.text or ""
        elif name == "f":
            formula = part.text
        elif name == "is":
            return _text(part)
    if value is None or (value == "" and formula):
        return f"={formula}" if formula else ""
    if kind == "s":
        number = whole(value, -1, 1 << 30)
        return book.strings[number] if 0 <= number < len(book.strings) else ""
    if kind == "b":
        return "TRUE" if value == "1" else "FALSE"
    if kind in ("str", "e", "d", "inlineStr"):
        return value
    style = whole(cell.get("s") or "", 0)
    shape = book.formats[style] if style < len(book.formats) else GENERAL
    return shape.show(value, book.since)


def _text(item: Element) -> str:
    """A string with or without formatted pieces; not how it is pronounced."""
    found = ""
    for part in item:
        name = local(part)
        if name == "t":
            found += part.text or ""
        elif name == "r":
            found += "".join(run.text or "" for run in part if local(run) == "t")
    return found


@lru_cache(maxsize=20_000)
def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _tags(name: str) -> tuple[str, ...]:
    return tuple(f"{{{space}}}{name}" for space in MAIN)
