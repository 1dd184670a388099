"""The chapters of an electronic book as Markdown, in the order in which it is read. Each has a mark: `[chapter 3]`."""

from __future__ import annotations

import posixpath
import re
from html import unescape
from urllib.parse import unquote, urlsplit

from spatz.inputs.archive import Archive
from spatz.inputs.document import Document, InputError, Note, ReadOptions
from spatz.inputs.hidden import remove_hidden
from spatz.inputs.html import page_text, page_tree
from spatz.inputs.html_markdown import MarkdownWriter
from spatz.inputs.markdown import bounded
from spatz.inputs.sections import mark, selected, unmarked
from spatz.inputs.unseen import without_unseen
from spatz.inputs.xml_tree import Element, local, parse

__all__ = ["read_epub"]

PAGES = frozenset({"application/xhtml+xml", "text/html", "application/xml", "text/x-oeb1-document"})
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)(\w{2,31});")
_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]*>", re.IGNORECASE)


def read_epub(data: bytes, options: ReadOptions) -> Document:
    """Raises InputError."""
    archive = Archive(data)
    place = _package(archive)
    root = parse(archive.read(place), doctype=True)
    if "META-INF/rights.xml" in archive:
        raise InputError("it is locked to a reader by its publisher", code="encrypted_file")
    chapters = _chapters(root, posixpath.dirname(place), archive)
    if not chapters:
        raise InputError("it has no chapters that can be read")
    chosen, notes = selected(len(chapters), options, "chapter")
    texts = []
    size = 0
    for number in chosen:
        text = unmarked(_chapter(archive.read(chapters[number])))
        texts.append(f"{mark('chapter', number + 1)}\n\n{text}".strip())
        size += len(text)
        if size > options.max_text:
            break
    if not size:
        notes += (Note("no_text", "There is no text in it."),)
    markdown, cut = bounded("\n\n".join(texts), options)
    return Document("text", markdown, title=_title(root), pages=len(chapters), read_pages=len(texts), notes=notes + cut)


def _package(archive: Archive) -> str:
    for entry in parse(archive.read("META-INF/container.xml"), doctype=True).iter():
        if local(entry) == "rootfile" and (path := entry.get("full-path") or "") in archive:
            return str(path)
    raise InputError("it is damaged: it does not say what it consists of")


def _chapters(root: Element, folder: str, archive: Archive) -> list[str]:
    places: dict[str, str] = {}
    order: list[str] = []
    for entry in root.iter():
        name = local(entry)
        if name == "item" and entry.get("media-type") in PAGES and "nav" not in (entry.get("properties") or "").split():
            path = unquote(urlsplit(entry.get("href") or "").path)
            places[entry.get("id") or ""] = posixpath.normpath(posixpath.join(folder, path))
        elif name == "itemref":
            order.append(entry.get("idref") or "")
    return [places[key] for key in order if places.get(key, "") in archive]


def _chapter(data: bytes) -> str:
    text, _ = page_text(data)
    root = _tree(text)
    remove_hidden(root)
    return without_unseen(MarkdownWriter().write(root))


def _tree(text: str) -> Element:
    """XHTML as the XML that it is, where an empty <title/> is empty; as a web page where it is not well-formed."""
    named = _ENTITY.sub(lambda match: unescape(match[0]), _DOCTYPE.sub("", text, count=1))
    try:
        return parse(re.sub(r"^\s*<\?xml[^>]*\?>", "", named).encode("utf-8", "replace"))
    except InputError:
        return page_tree(text)


def _title(root: Element) -> str:
    for entry in root.iter():
        if local(entry) == "title":
            return " ".join((entry.text or "").split())[:500]
    return ""
