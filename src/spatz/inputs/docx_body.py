"""Paragraphs, runs and tables of a Word document's XML as blocks of Markdown (ECMA-376 part 1, 17)."""

from __future__ import annotations

import re

from spatz.inputs.docx_numbering import Numbering
from spatz.inputs.docx_styles import Style, Styles, paragraph_style
from spatz.inputs.embedded import Pictures
from spatz.inputs.markdown import table
from spatz.inputs.package import Relation
from spatz.inputs.xml_tree import Element, attribute, local, whole

__all__ = ["Body"]

MAX_DEPTH = 256  # as deep as XML is read
MAX_CELLS = 1_000_000
MAX_SPAN = 200
MAX_REPEATED = 200  # characters of a cell over several rows that stand in each
# What only holds others, of paragraphs and of runs. Not w:del and w:moveFrom: text that is gone.
HOLDERS = frozenset(
    {"body", "customXml", "fldSimple", "hdr", "ftr", "ins", "moveTo", "sdt", "sdtContent", "smartTag", "dir", "bdo"}
)
MARKS = {"b": "**", "i": "*", "strike": "~~"}
_OFF = frozenset({"0", "false", "off", "none"})


class Body:
    ITEM = "\x02"  # begins a block that is an item of a list, until blocks are joined

    def __init__(
        self, styles: Styles, numbering: Numbering, relations: dict[str, Relation], pictures: Pictures
    ) -> None:
        self.styles = styles
        self.cited: set[str] = set()  # ids of footnotes, "e" and ids of endnotes
        self._numbering = numbering
        self._relations = relations
        self._pictures = pictures
        self._cells = 0

    @classmethod
    def is_item(cls, block: str) -> bool:
        return block.startswith(cls.ITEM)

    def blocks(self, holder: Element, depth: int = 0) -> list[str]:
        found: list[str] = []
        if depth > MAX_DEPTH:
            return found
        for part in holder:
            name = local(part)
            if name == "p":
                found += self._paragraph(part, depth)
            elif name == "tbl":
                found += self._table(part, depth)
            elif name in HOLDERS:
                found += self.blocks(part, depth + 1)
            elif name == "AlternateContent":
                found += self.blocks(_choice(part), depth + 1)
        return found

    def _paragraph(self, paragraph: Element, depth: int) -> list[str]:
        own, name = Style(), ""
        first = paragraph[0] if len(paragraph) else None
        if first is not None and local(first) == "pPr":
            own = paragraph_style(first)
            name = next((attribute(part, "val") for part in first if local(part) == "pStyle"), "")
        style = self.styles.resolve(name, own)
        boxes: list[Element | str] = []
        pieces: list[tuple[str, str]] = []
        self._runs(paragraph, pieces, boxes, depth)
        text = _marked(pieces, plain=style.heading > 0).strip()
        mark = self._numbering.mark(style.numbering, max(0, style.level)) if style.numbering and text else ""
        found = []
        if style.heading and text:
            found = [f"{'#' * min(6, style.heading)} {_before(mark)}{' '.join(text.split())}"]
        elif mark:
            indent = "  " * max(0, style.level)
            found = [f"{self.ITEM}{indent}{mark} " + text.replace("\n", f"\n{indent}  ")]
        elif text:
            found = [text]
        for box in boxes:
            found += [box] if isinstance(box, str) else self.blocks(box, depth + 1)
        return found

    def _runs(self, holder: Element, pieces: list[tuple[str, str]], boxes: list[Element | str], depth: int) -> None:
        """pieces: texts with the marks around them ("**"). boxes: what floats: holders of paragraphs, and blocks."""
        if depth > MAX_DEPTH:
            return
        for part in holder:
            name = local(part)
            if name == "r":
                self._run(part, pieces, boxes, depth)
            elif name == "hyperlink":
                inner: list[tuple[str, str]] = []
                self._runs(part, inner, boxes, depth + 1)
                pieces.append((self._link(part, "".join(text for text, _ in inner)), ""))
            elif name in HOLDERS:
                self._runs(part, pieces, boxes, depth + 1)
            elif name in ("oMath", "oMathPara"):
                text = "".join(math.text or "" for math in part.iter() if local(math) == "t")
                pieces.append((f" {text} ", ""))
            elif name == "AlternateContent":
                self._runs(_choice(part), pieces, boxes, depth + 1)

    def _run(self, run: Element, pieces: list[tuple[str, str]], boxes: list[Element | str], depth: int) -> None:
        mark = ""
        for part in run:
            name = local(part)
            if name == "t":
                pieces.append((part.text or "", mark))
            elif name == "rPr":
                mark, hidden = _look(part)
                if hidden:
                    return
            elif name in ("tab", "ptab"):
                pieces.append(("\t", mark))
            elif name in ("br", "cr"):
                pieces.append(("\n", mark))
            elif name == "noBreakHyphen":
                pieces.append(("-", mark))
            elif name == "sym":
                pieces.append((_symbol(attribute(part, "char")), mark))
            elif name in ("footnoteReference", "endnoteReference"):
                cited = ("e" if name[0] == "e" else "") + attribute(part, "id")
                self.cited.add(cited)
                pieces.append((f"[^{cited}]", ""))
            elif name == "fldChar":
                pieces.extend((_checkbox(box), "") for box in part.iter() if local(box) == "checkBox")
            elif name in ("drawing", "pict", "object"):
                self._drawing(part, boxes)
            elif name == "AlternateContent":
                self._run(_choice(part), pieces, boxes, depth + 1) if depth < MAX_DEPTH else None

    def _drawing(self, drawing: Element, boxes: list[Element | str]) -> None:
        held = [part for part in drawing.iter() if local(part) == "txbxContent"]
        inner = {id(part) for box in held for part in box.iter() if part is not box}
        boxes += [box for box in held if id(box) not in inner]  # those in them come with them
        if held:
            return
        about = target = ""
        for part in drawing.iter():
            name = local(part)
            if name == "docPr":
                about = " ".join((part.get("descr") or "").split())[:1_000]
            elif name in ("blip", "imagedata"):
                wanted = "}embed" if name == "blip" else "}id"
                key = next((value for attr, value in part.attrib.items() if attr.endswith(wanted)), "")
                relation = self._relations.get(key)
                target = relation.target if relation is not None and not relation.external else ""
        if block := self._pictures.block(target, about) if target else about and f"[Image: {about}]":
            boxes.append(block)

    def _link(self, link: Element, text: str) -> str:
        key = next((value for name, value in link.attrib.items() if name.endswith("}id")), "")
        relation = self._relations.get(key)
        if relation is None or not relation.external or not text.strip() or text.strip() == relation.target:
            return text
        if not relation.target.lower().startswith(("http://", "https://", "mailto:")) or len(relation.target) > 500:
            return text
        return f"[{text.strip()}]({relation.target.replace(' ', '%20')})"

    def _table(self, element: Element, depth: int) -> list[str]:
        rows: list[list[str]] = []
        above: dict[int, str] = {}  # column -> text of the cell that goes on below
        single: list[str] = []
        for row in _parts(element, "tr", depth):
            line: list[str] = []
            for cell in _parts(row, "tc", depth):
                across, merged = _spans(cell)
                blocks = [block.removeprefix(self.ITEM) for block in self.blocks(cell, depth + 1)]
                single += blocks
                text = " ".join(blocks)
                if merged == "continue":
                    text = above.get(len(line), "")
                above[len(line)] = text[:MAX_REPEATED] if merged else ""
                line += [text, *[""] * (across - 1)]
            self._cells += len(line)
            if self._cells > MAX_CELLS:
                break
            if any(line):
                rows.append(line)
        if max(map(len, rows), default=0) < 2:
            return single
        return [table(rows)]


def _parts(element: Element, wanted: str, depth: int) -> list[Element]:
    """Rows or cells, also inside of what only holds them."""
    found = []
    for part in element:
        name = local(part)
        if name == wanted:
            found.append(part)
        elif name in HOLDERS and depth < MAX_DEPTH:
            found += _parts(part, wanted, depth + 1)
    return found


def _spans(cell: Element) -> tuple[int, str]:
    """Columns, and "restart" or "continue" for a cell over several rows, "" for none."""
    across, merged = 1, ""
    for properties in cell:
        if local(properties) == "tcPr":
            for part in properties:
                if local(part) == "gridSpan":
                    across = max(1, whole(attribute(part, "val"), 1, MAX_SPAN))
                elif local(part) == "vMerge":
                    merged = attribute(part, "val") or "continue"
    return across, merged


def _marked(pieces: list[tuple[str, str]], *, plain: bool) -> str:
    """Neighbours of the same look become one; marks do not enclose spaces at their ends."""
    found: list[str] = []
    held: list[str] = []
    look = ""
    for text, mark in [*pieces, ("", "end")]:
        if not text and mark != "end":
            continue
        if mark != look and held:
            whole_text = "".join(held)
            inner = whole_text.strip()
            if look and inner and not plain and look not in inner:
                start = whole_text.index(inner)
                whole_text = f"{whole_text[:start]}{look}{inner}{look[::-1]}{whole_text[start + len(inner) :]}"
            found.append(whole_text)
            held = []
        look = mark
        held.append(text)
    return "".join(found)


def _look(properties: Element) -> tuple[str, bool]:
    """The marks of a run, and whether it is hidden."""
    mark, hidden = "", False
    for part in properties:
        name = local(part)
        if name in MARKS and attribute(part, "val").lower() not in _OFF:
            mark += MARKS[name]
        elif name in ("vanish", "webHidden") and attribute(part, "val").lower() not in _OFF:
            hidden = name == "vanish"
    return mark, hidden


def _choice(alternate: Element) -> Element:
    """The first of several forms of the same content; an empty list where there is none."""
    return alternate[0] if len(alternate) else []


def _symbol(code: str) -> str:
    """Of a symbol font: ticks and boxes are what forms use."""
    if not re.fullmatch(r"[0-9A-Fa-f]{4}", code):
        return ""
    number = int(code, 16)
    known = {0xA3: "☐", 0xA8: "☐", 0x6F: "☐", 0xFC: "✓", 0xFE: "☑", 0x52: "☑", 0x53: "☒", 0xFD: "☒", 0xB7: "•"}
    if 0xF000 <= number <= 0xF0FF:
        return known.get(number - 0xF000, "")
    return chr(number) if not 0xD800 <= number <= 0xF8FF else ""


def _checkbox(box: Element) -> str:
    states = {local(part): attribute(part, "val").lower() not in _OFF for part in box}
    return "☒ " if states.get("checked", states.get("default", False)) else "☐ "


def _before(mark: str) -> str:
    return f"{mark} " if mark and mark != "-" else ""
