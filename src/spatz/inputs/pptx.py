"""Slides of a presentation to Markdown: titles, points, tables, the figures behind charts, and the speaker's notes.

Each slide begins with its mark, `[slide 3]`. Shapes come in the file's order, which is the order in which assistive
technology reads them.
"""

from __future__ import annotations

from spatz.inputs.document import Document, InputError, Note, ReadOptions
from spatz.inputs.embedded import Pictures
from spatz.inputs.markdown import bounded, clean, table
from spatz.inputs.package import Package, Relation
from spatz.inputs.sections import mark, selected, unmarked
from spatz.inputs.xml_tree import Element, local, whole

__all__ = ["read_pptx"]

MAX_DEPTH = 256  # as deep as XML is read
MAX_ROWS = 10_000
FURNITURE = frozenset({"dt", "ftr", "hdr", "sldNum", "sldImg"})  # placeholders that say nothing of a slide


def read_pptx(data: bytes, options: ReadOptions) -> Document:
    """Raises InputError."""
    package = Package(data)
    main = package.main()
    relations = package.relations(main)
    slides = []
    for entry in package.tree(main).iter():
        if local(entry) == "sldId":
            key = next((value for name, value in entry.attrib.items() if name.endswith("}id")), "")
            if (relation := relations.get(key)) is not None and relation.target in package:
                slides.append(relation.target)
    if not slides:
        raise InputError("it has no slides")
    chosen, notes = selected(len(slides), options, "slide")
    pictures = Pictures(package, options)
    texts = []
    size = 0
    for number in chosen:
        slide = _Slide(package, slides[number], pictures)
        text = unmarked(clean("\n\n".join(slide.blocks())))
        texts.append(f"{mark('slide', number + 1)}\n\n{text}".strip())
        size += len(text)
        if size > options.max_text:
            break
    markdown, cut = bounded("\n\n".join(texts), options)
    notes += pictures.notes()
    if not size:
        notes += (Note("no_text", "There is no text in it."),)
    return Document(
        "text",
        markdown,
        title=package.title(),
        pages=len(slides),
        read_pages=len(texts),
        pictures=pictures.read,
        confidence=pictures.confidence,
        notes=notes + cut,
    )


class _Slide:
    def __init__(self, package: Package, part: str, pictures: Pictures) -> None:
        self._pictures = pictures
        self._package = package
        self._relations = package.relations(part)
        self._root = package.tree(part)

    def blocks(self) -> list[str]:
        found = ["(hidden slide)"] if self._root.get("show") == "0" else []
        tree = _first(self._root, "spTree")
        if tree is not None:
            titles, others = self._shapes(tree, 0)
            found += [f"## {' '.join(' '.join(titles).split())}"] if titles else []
            found += others
        for relation in self._relations.values():
            if relation.kind == "notesSlide" and relation.target in self._package:
                notes = _first(self._package.tree(relation.target), "spTree")
                said = [] if notes is None else self._shapes(notes, 0)[1]
                found += ["Notes: " + "\n".join(said)] if said else []
        return found

    def _shapes(self, tree: Element, depth: int) -> tuple[list[str], list[str]]:
        """The title's texts, and the blocks of everything else."""
        titles: list[str] = []
        blocks: list[str] = []
        for shape in tree:
            name = local(shape)
            if name == "sp":
                kind, points = _placeholder(shape)
                if kind in FURNITURE:
                    continue
                lines = _lines(shape, points)
                if kind in ("title", "ctrTitle"):
                    titles += lines
                elif lines:
                    blocks.append("\n".join(lines))
            elif name == "graphicFrame":
                blocks += self._frame(shape)
            elif name == "pic":
                blocks += self._picture(shape)
            elif name in ("grpSp", "AlternateContent", "Choice") and depth < MAX_DEPTH:
                inner = shape[:1] if name == "AlternateContent" else shape
                more_titles, more = self._shapes(inner, depth + 1)
                titles += more_titles
                blocks += more
        return titles, blocks

    def _picture(self, shape: Element) -> list[str]:
        """With the text on it."""
        about = "".join(_described(shape))
        found = _first(shape, "blip")
        key = (
            "" if found is None else next((text for name, text in found.attrib.items() if name.endswith("}embed")), "")
        )
        relation = self._relations.get(key)
        if relation is not None and relation.target in self._package:
            about = self._pictures.block(relation.target, about)
        elif about:
            about = f"[Image: {about}]"
        return [about] if about else []

    def _frame(self, frame: Element) -> list[str]:
        if (grid := _first(frame, "tbl")) is not None:
            rows = [row for row in grid if local(row) == "tr"][:MAX_ROWS]
            text = table([[" ".join(_lines(cell, False)) for cell in row if local(cell) == "tc"] for row in rows])
            return [text] if text else []
        for part in frame.iter():
            if local(part) in ("chart", "relIds"):
                wanted = "}id" if local(part) == "chart" else "}dm"
                key = next((value for name, value in part.attrib.items() if name.endswith(wanted)), "")
                relation = self._relations.get(key)
                if relation is not None and relation.target in self._package:
                    return self._chart(relation) if wanted == "}id" else self._diagram(relation)
        return [f"[Image: {text}]" for text in _described(frame)]

    def _chart(self, relation: Relation) -> list[str]:
        root = self._package.tree(relation.target)
        title = _first(root, "title")
        rows: list[list[str]] = []
        for series in root.iter():
            if local(series) != "ser":
                continue
            parts = {local(part): _cached(part) for part in series}
            labels, values = parts.get("cat") or parts.get("xVal") or {}, parts.get("val") or parts.get("yVal") or {}
            points = sorted(labels.keys() | values.keys())[:MAX_ROWS]
            if not rows:
                rows = [[""], *[[labels.get(point, str(point + 1))] for point in points]]
            rows[0].append(" ".join(parts.get("tx", {}).values()))
            for row, point in zip(rows[1:], points, strict=False):
                row.append(values.get(point, ""))
        text = table(rows)
        heading = "" if title is None else " ".join(_lines(title, False))
        return [block for block in (f"Chart: {heading}".rstrip(": "), text) if block] if text else []

    def _diagram(self, relation: Relation) -> list[str]:
        lines = [
            line
            for point in self._package.tree(relation.target).iter()
            if local(point) == "pt"
            for line in _lines(point, True)
        ]
        return ["\n".join(lines)] if lines else []


def _placeholder(shape: Element) -> tuple[str, bool]:
    """Its kind, and whether its paragraphs are points of a list."""
    found = _first(shape, "ph")
    if found is None:
        return "", False
    kind = found.get("type") or "obj"
    return kind, kind in ("body", "obj")


def _lines(shape: Element, points: bool) -> list[str]:
    """The paragraphs; points: as items of a list, indented by their level."""
    found = []
    paragraphs = [part for part in shape.iter() if local(part) == "p"]
    for paragraph in paragraphs:
        text, level, bullet = "", 0, points and len(paragraphs) > 1
        for part in paragraph:
            name = local(part)
            if name == "pPr":
                level = whole(part.get("lvl") or "", 0, 8)
                marks = {local(child) for child in part}
                bullet = (bullet or bool(marks & {"buChar", "buAutoNum", "buBlip"})) and "buNone" not in marks
            elif name in ("r", "fld") and part.get("type") != "slidenum":
                text += "".join(run.text or "" for run in part if local(run) == "t")
            elif name == "br":
                text += " "
        if text := text.strip():
            found.append(f"{'  ' * level}- {text}" if bullet else text)
    return found


def _cached(element: Element) -> dict[int, str]:
    """Number of a point -> what the chart shows there."""
    found = {}
    for part in element.iter():
        if local(part) == "pt":
            text = next((value.text or "" for value in part.iter() if local(value) in ("v", "t")), "")
            found[whole(part.get("idx") or "")] = text
    return found


def _described(shape: Element) -> list[str]:
    found = _first(shape, "cNvPr")
    text = "" if found is None else " ".join((found.get("descr") or "").split())
    return [text[:1_000]] if text else []


def _first(element: Element, name: str) -> Element | None:
    return next((part for part in element.iter() if local(part) == name), None)
