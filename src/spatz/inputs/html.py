"""A web page to Markdown: what it is about, without its navigation, where that can be told; else all that it shows.

trafilatura finds the main text. It is made for articles, and drops tables and short lines that an invoice is all about.
So it is taken at its word only where it finds running text, and where what it leaves out is links and scraps; anything
else is written whole.
"""

from __future__ import annotations

import re

from spatz.inputs.document import Document, InputError, Note, ReadOptions
from spatz.inputs.hidden import remove_hidden
from spatz.inputs.html_markdown import MarkdownWriter
from spatz.inputs.markdown import bounded, clean
from spatz.inputs.plain import decode
from spatz.inputs.sections import selected
from spatz.inputs.unseen import without_unseen
from spatz.inputs.xml_tree import Element

__all__ = ["page_tree", "read_html"]

MAX_MAIN = 1 << 20  # characters of a page of which the main text is looked for, which takes nearly two seconds
# A line of so many words is running text, and an article is made of it; no such line may be missing.
RUNNING = 20
MAX_LOST = 0.3  # share of a page's words, those of links not counted, that may be missing

_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_XML = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{2,40})""")
_PROLOGUE = re.compile(r"^\s*<\?xml[^>]*>")
_LINK = re.compile(r"\[[^\]\n]*\]\([^)\n]*\)")
_WORD = re.compile(r"\w+")


def read_html(data: bytes, options: ReadOptions) -> Document:
    """Raises InputError."""
    selected(1, options, "page")
    text, notes = page_text(data, options.media_type)
    root = page_tree(text)
    hidden = remove_hidden(root)
    writer = MarkdownWriter(boilerplate=False)
    markdown = writer.write(root)
    main = _main_text(root, len(text)) if markdown else None
    if main is not None:
        markdown = main
    markdown = without_unseen(markdown)
    if hidden:
        notes += (Note("hidden_text_left_out", "Text that a reader of the page does not see was left out."),)
    if main is not None or writer.left_out:
        notes += (Note("boilerplate_left_out", "Navigation and the like were left out."),)
    if not markdown.strip():
        notes += (Note("no_text", "There is no text in it; what scripts write on a page cannot be read."),)
    markdown, cut = bounded(markdown, options)
    return Document("text", markdown, title=without_unseen(_title(root)), notes=notes + cut)


def page_text(data: bytes, media_type: str = "") -> tuple[str, tuple[Note, ...]]:
    found = _XML.match(data[:1_024]) or _META.search(data[:4_096])
    text, notes = decode(data, media_type, found.group(1).decode("ascii", "replace") if found else "")
    return clean(text), notes


def page_tree(text: str) -> Element:
    """The root of a page, however damaged it is. Raises InputError where there is none."""
    from lxml import etree, html

    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        root = html.document_fromstring(_PROLOGUE.sub("", text).encode("utf-8", "replace") or b"<p></p>", parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        raise InputError("it is a page in which there is nothing to read") from None
    last = parser.error_log.last_error
    if last is not None and last.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
        raise InputError("its elements are nested more than 2,000 deep")
    return root


def _title(root: Element) -> str:
    return " ".join((root.findtext(".//title") or "").split())[:500]


def _main_text(root: Element, size: int) -> str | None:
    """What trafilatura takes for the main text of an article; None where the page is none, or more than one.

    It is given the tree, without what is hidden, and not the text. size: characters of that.
    """
    if size > MAX_MAIN:
        return None
    import trafilatura

    try:
        found = trafilatura.extract(
            root, output_format="markdown", include_links=True, include_formatting=True, favor_recall=True
        )
    except Exception:  # whatever a strange page does to it: the page is then written whole
        return None
    if not found or not _is_running(found):
        return None
    known = _triples(found)
    lost = words = 0
    for line in MarkdownWriter(boilerplate=False, all_links=True).write(root).split("\n"):
        plain = _WORD.findall(_LINK.sub(" ", line))
        words += len(plain)
        if plain and sum(triple in known for triple in _triples(line)) * 2 < max(1, len(plain) - 2):
            if line.startswith("|") or len(plain) >= RUNNING:
                return None
            lost += len(plain)
    return clean(found).strip() if lost <= MAX_LOST * words else None


def _is_running(text: str) -> bool:
    lengths = [len(_WORD.findall(line)) for line in text.split("\n")]
    return 2 * sum(length for length in lengths if length >= RUNNING) >= max(RUNNING, sum(lengths))


def _triples(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text)
    return set(zip(words, words[1:], words[2:], strict=False)) if len(words) > 2 else {tuple(words)}
