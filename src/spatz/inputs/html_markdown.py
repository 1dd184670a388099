"""A tree of HTML elements to Markdown: headings, paragraphs, lists, tables, links, code. For web pages and books.

The text is data, so nothing of it is escaped but the bars in tables. Scripts and the like are not read; what else is
not shown has been taken out of the tree before (hidden.py). Written for speed: libraries that do the same over
BeautifulSoup read less than a megabyte a second, and a book has several.
"""

from __future__ import annotations

import re

from spatz.inputs.markdown import table
from spatz.inputs.xml_tree import Element, local

__all__ = ["MarkdownWriter"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


SKIPPED = _names(
    "audio base canvas embed frame frameset iframe link map meta noframes noscript object script style svg template"
    " title track video"
)
BLOCKS = _names(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure"
    " footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol option p pre search section select"
    " summary table tbody td tfoot th thead title tr ul"
)
# Of a web page; in a file that was sent on purpose it is left out, too, and said so.
BOILERPLATE = frozenset({"nav", "aside", "button", "dialog", "menu"})
TABLE_PARTS = frozenset({"td", "th", "caption", "col", "colgroup"})
HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "code": "`", "kbd": "`", "samp": "`", "del": "~~", "s": "~~"}
MAX_DEPTH = 120  # deeper elements give their text alone
MAX_SPAN = 200
MAX_CELLS = 1_000_000
MAX_LINK = 500
MAX_REPEATED = 200  # characters of a cell over several rows that stand in each

_SPACE = re.compile(r"[ \t\n\r\x0b\x0c]+")
_BREAK = "\x1f"  # <br>, while spaces are put together; clean text has no control characters
_AROUND_BREAK = re.compile(rf" ?{_BREAK} ?")
_ROUND = str.maketrans("[]", "()")  # so that where the text of an image ends can be told
_WITH_LINK = ("http://", "https://", "mailto:")


class MarkdownWriter:
    def __init__(self, *, boilerplate: bool = True, all_links: bool = False) -> None:
        """boilerplate: whether navigation and the like are written. all_links: also those inside of the page's site."""
        self._all_links = all_links
        self._skipped = SKIPPED if boilerplate else SKIPPED | BOILERPLATE
        self._cells = 0
        self.left_out = 0  # elements that were skipped as boilerplate

    def write(self, root: Element) -> str:
        return "\n\n".join(self._blocks(root, 0))

    def _blocks(self, element: Element, depth: int) -> list[str]:
        """What is in an element, as paragraphs, lists, tables, ..."""
        if depth > MAX_DEPTH:
            return _paragraph("".join(element.itertext()))
        found: list[str] = []
        line: list[str] = [element.text or ""]
        for child in element:
            name = local(child)
            if name and not self._skips(name):
                if name in BLOCKS or self._holds_blocks(child):
                    found += _paragraph("".join(line))
                    line = []
                    found += self._block(child, name, depth + 1)
                else:
                    line.append(self._inline(child, name, depth + 1))
            line.append(child.tail or "")
        found += _paragraph("".join(line))
        return found

    def _block(self, element: Element, name: str, depth: int) -> list[str]:
        if name in HEADINGS:
            text = " ".join(self._blocks(element, depth)).replace("\n", " ").strip("# ")
            return [f"{HEADINGS[name]} {text}"] if text else []
        if name in ("ul", "ol", "dir"):
            return self._list(element, name == "ol", depth)
        if name == "table":
            return self._table(element, depth)
        if name == "pre":
            text = "".join(element.itertext()).strip("\n").rstrip()
            fence = "````" if "```" in text else "```"
            return [f"{fence}\n{text}\n{fence}"] if text else []
        if name == "blockquote":
            quoted = "\n\n".join(self._blocks(element, depth))
            return ["\n".join(f"> {line}".rstrip() for line in quoted.split("\n"))] if quoted else []
        if name == "hr":
            return ["---"]
        if name == "dd":
            return [f": {text}" for text in self._blocks(element, depth)]
        if name == "option":
            return _paragraph(element.text or "") if element.get("selected") is not None else []
        return self._blocks(element, depth)

    def _inline(self, element: Element, name: str, depth: int) -> str:
        if name == "br":
            return _BREAK
        if name == "img":
            text = _SPACE.sub(" ", (element.get("alt") or "").translate(_ROUND)).strip()
            return f"[Image: {text}]" if text else ""
        if name == "input":
            return _control(element)
        if depth > MAX_DEPTH:
            return "".join(element.itertext())
        parts = [element.text or ""]
        for child in element:
            inner = local(child)
            if inner and not self._skips(inner):
                parts.append(self._inline(child, inner, depth + 1))
            parts.append(child.tail or "")
        text = "".join(parts)
        if name == "a":
            return _link(text, element.get("href") or "", self._all_links)
        if (mark := MARKS.get(name)) and (plain := text.strip()) and mark not in plain:
            before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
            return f"{before}{mark}{plain}{mark}{after}"
        if name == "q":
            return f'"{text}"'
        return text

    def _list(self, element: Element, numbered: bool, depth: int) -> list[str]:
        start = element.get("start") or ""
        number = int(start) if re.fullmatch(r"\d{1,6}", start) else 1
        items: list[str] = []
        for child in element:
            name = local(child)
            if not name or self._skips(name):
                continue
            blocks = self._blocks(child, depth + 1) if name == "li" else self._block(child, name, depth + 1)
            if not blocks:
                continue
            mark = f"{number}. " if numbered else "- "
            text = "\n".join(blocks).replace("\n", "\n" + " " * len(mark))
            # A list that stands in a list without an item of its own belongs to the item before it.
            if name == "li" or not items:
                items.append(mark + text)
                number += 1
            else:
                items.append(" " * len(mark) + text)
        return ["\n".join(items)] if items else []

    def _table(self, element: Element, depth: int) -> list[str]:
        """A Markdown table; one that only lays a page out gives what its cells hold.

        What stands in it beside its cells comes before it, as browsers show it.
        """
        return self._strays(element, depth) + self._cells_of(element, depth)

    def _strays(self, element: Element, depth: int) -> list[str]:
        """element: a table, or what holds rows in it."""
        found = _paragraph(element.text or "")
        for child in element:
            name = local(child)
            if not name or name in TABLE_PARTS:
                pass
            elif depth <= MAX_DEPTH and (name in ("tr", "tbody", "thead", "tfoot") or _wraps_rows(child)):
                found += self._strays(child, depth + 1)
            elif not self._skips(name):
                found += self._block(child, name, depth + 1)
            found += _paragraph(child.tail or "")
        return found

    def _cells_of(self, element: Element, depth: int) -> list[str]:
        rows = _rows(element)
        plain = all(
            local(part) != "table" and not (part is not cell and local(part) in HEADINGS)
            for row in rows
            for cell in row
            for part in cell.iter()
        )
        if not plain or max(map(len, rows), default=0) < 2:
            return [block for row in rows for cell in row for block in self._blocks(cell, depth + 1)]
        captions = [block for child in element if local(child) == "caption" for block in self._blocks(child, depth + 1)]
        text = table(self._grid(rows, depth))
        return [*captions, text] if text else captions

    def _grid(self, rows: list[list[Element]], depth: int) -> list[list[str]]:
        """The cells' texts at their columns. A cell over several columns stands in the first, over rows in each."""
        grid: list[list[str]] = []
        below: dict[int, tuple[int, str]] = {}  # column -> rows still to fill, text
        for row in rows:
            line: list[str] = []
            for cell in row:
                self._cells += 1
                _fill(line, below)
                text = " ".join(block.replace("\n", " ") for block in self._blocks(cell, depth + 1))
                across, down = _span(cell, "colspan"), _span(cell, "rowspan")
                for offset in range(across):
                    if down > 1:
                        below[len(line)] = (down - 1, text[:MAX_REPEATED] if offset == 0 else "")
                    line.append(text if offset == 0 else "")
            _fill(line, below)
            self._cells += len(line)
            if self._cells > MAX_CELLS:
                grid.append(["..."])
                break
            if any(line):
                grid.append(line)
        return grid

    def _skips(self, name: str) -> bool:
        self.left_out += name in self._skipped and name in BOILERPLATE
        return name in self._skipped

    def _holds_blocks(self, element: Element) -> bool:
        return len(element) > 0 and any(local(part) in BLOCKS for part in element.iter())


def _paragraph(text: str) -> list[str]:
    text = _SPACE.sub(" ", text).strip(" " + _BREAK)
    return [_AROUND_BREAK.sub("\n", text)] if text else []


def _link(text: str, href: str, every: bool) -> str:
    """With its address where that is a whole one; a path says nothing to a reader."""
    plain = text.strip(" \t\r\n" + _BREAK)
    href = href.strip()
    if not plain or not (every or href.lower().startswith(_WITH_LINK)) or len(href) > MAX_LINK or plain == href:
        return text
    return f"[{plain}]({href.replace(' ', '%20')})"


def _control(element: Element) -> str:
    kind = (element.get("type") or "text").lower()
    if kind in ("checkbox", "radio"):
        return "[x] " if element.get("checked") is not None else "[ ] "
    shown = kind in ("text", "number", "date", "email", "tel", "url", "search", "time", "month", "week")
    return f" {element.get('value')} " if shown and element.get("value") else ""


def _rows(element: Element, depth: int = 0) -> list[list[Element]]:
    """The rows of this table, not those of tables in it; also where a form or the like stands around some of them."""
    rows = []
    for child in element if depth <= MAX_DEPTH else ():
        name = local(child)
        if name == "tr":
            rows.append([cell for cell in child if local(cell) in ("td", "th")])
        elif name and name != "table" and name not in TABLE_PARTS:
            rows += _rows(child, depth + 1)
    return rows


def _wraps_rows(element: Element) -> bool:
    return local(element) != "table" and bool(_rows(element))


def _span(cell: Element, name: str) -> int:
    text = cell.get(name) or ""
    return min(MAX_SPAN, max(1, int(text))) if re.fullmatch(r"\d{1,9}", text) else 1


def _fill(line: list[str], below: dict[int, tuple[int, str]]) -> None:
    while (column := len(line)) in below:
        left, text = below.pop(column)
        if left > 1:
            below[column] = (left - 1, text)
        line.append(text)
