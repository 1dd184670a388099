"""A Word document to Markdown: headings, numbered paragraphs, tables, links, footnotes, headers and footers.

Read straight from its XML: the common converters build a DOM and a page of HTML first, which takes seconds for a long
report. Text that was deleted under review is not read, text that was inserted is. A document has no pages before it
is laid out, so it counts as one.
"""

from __future__ import annotations

from spatz.inputs.document import Document, Note, ReadOptions
from spatz.inputs.docx_body import Body
from spatz.inputs.docx_numbering import Numbering
from spatz.inputs.docx_styles import Styles
from spatz.inputs.embedded import Pictures
from spatz.inputs.markdown import bounded, clean
from spatz.inputs.package import Package, Relation
from spatz.inputs.sections import selected
from spatz.inputs.xml_tree import attribute, local

__all__ = ["read_docx"]

MAX_BODY = 64 << 20  # bytes of XML, thousands of pages; as a tree it takes ten times as much


def read_docx(data: bytes, options: ReadOptions) -> Document:
    """Raises InputError."""
    selected(1, options, "page")
    package = Package(data)
    main = package.main()
    relations = package.relations(main)
    parts = {relation.kind: relation.target for relation in relations.values() if relation.target in package}
    styles = Styles.read(package.tree(parts["styles"])) if "styles" in parts else Styles()
    numbering = Numbering.read(package.tree(parts["numbering"])) if "numbering" in parts else Numbering()
    pictures = Pictures(package, options)
    body = Body(styles, numbering, relations, pictures)
    root = package.tree(main, MAX_BODY)
    blocks = [block for part in root if local(part) == "body" for block in body.blocks(part)]
    above, below = _edges(package, relations, body, pictures)
    notes = [
        f"[^{word}{attribute(note, 'id')}]: {' '.join(body.blocks(note))}"
        for kind, word in (("footnotes", ""), ("endnotes", "e"))
        if kind in parts
        for note in package.tree(parts[kind])
        if local(note) == kind[:-1] and f"{word}{attribute(note, 'id')}" in body.cited
    ]
    markdown = clean("\n\n".join([*above, _join(blocks), *notes, *below]).strip())
    remarks = pictures.notes()
    if "comments" in parts:
        remarks += (Note("comments_left_out", "Comments on it were not read."),)
    if any(relation.kind == "aFChunk" for relation in relations.values()):
        remarks += (Note("parts_left_out", "Files of other kinds that it embeds were not read."),)
    if not markdown:
        remarks += (Note("no_text", "There is no text in it."),)
    markdown, cut = bounded(markdown, options)
    return Document(
        "text",
        markdown,
        title=package.title(),
        pictures=pictures.read,
        confidence=pictures.confidence,
        notes=remarks + cut,
    )


def _edges(
    package: Package, relations: dict[str, Relation], body: Body, pictures: Pictures
) -> tuple[list[str], list[str]]:
    """What headers and footers say, each text once: letterheads, bank accounts. Numbers of pages alone are left out."""
    found: dict[str, dict[str, None]] = {"header": {}, "footer": {}}
    for relation in relations.values():
        if relation.kind in found and relation.target in package:
            edge = Body(body.styles, Numbering(), package.relations(relation.target), pictures)
            for block in edge.blocks(package.tree(relation.target)):
                if any(letter.isalpha() for letter in block):
                    found[relation.kind][block] = None
    return list(found["header"]), list(found["footer"])


def _join(blocks: list[str]) -> str:
    """Items of a list follow one another without an empty line."""
    text: list[str] = []
    for number, block in enumerate(blocks):
        if number:
            text.append("\n" if Body.is_item(block) and Body.is_item(blocks[number - 1]) else "\n\n")
        text.append(block.removeprefix(Body.ITEM))
    return "".join(text)
