"""A file or a page as the index keeps it: its Markdown, title and date, and where a page's links lead.

Runs in a worker process (worker.py), because what it reads is not trusted. Web pages take a short way here, six times
as fast as the one of messages (inputs/html.py): ten thousand of them are read, and what is navigation is told by a
page's own landmarks instead of by trying what an article might be. All else is read as in messages, a PDF's
scanned pages, too; but an image alone is no document.
What a page says beside its text comes back in notes of the Document, since that is what passes between processes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from spatz.inputs.document import Document, InputError, Note, ReadOptions
from spatz.inputs.reading import Accept, Progress, check
from spatz.inputs.reading import read as read_part
from spatz.inputs.sniff import IMAGES
from spatz.inputs.xml_tree import Element

__all__ = ["Reading", "read", "reading_of"]

MOST_LINKS = 3_000
MOST_LINK = 2_000  # characters
LEAST_MAIN = 80  # characters of a landmark that may stand for its page

_FACTS = "page_facts"
# Notes that say nothing of what is missing in the index.
_EXPECTED = (_FACTS, "boilerplate_left_out", "hidden_text_left_out", "no_table")
_DATE = re.compile(r"\s*(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))(?!\d)")
# In this order: when it was written before when it was touched.
_DATES = (
    "article:modified_time",
    "og:updated_time",
    "last-modified",
    "dcterms.modified",
    "dc.date.modified",
    "article:published_time",
    "datepublished",
    "dcterms.date",
    "dcterms.created",
    "dc.date",
    "dc.date.created",
    "citation_publication_date",
    "date",
)
_TITLES = ("og:title", "citation_title", "dcterms.title")
_HEADING = re.compile(r"^#{1,3}[ \t]+(\S[^\n]{0,300})", re.MULTILINE)
# What is around a page's text, by landmarks and by the names that generators of documentation give it.
_AROUND = (
    "//*[@role='navigation' or @role='search' or @role='banner' or @role='contentinfo' or @aria-hidden='true']"
    "|//body/header|//body/footer|//nav|//aside"
    "|//*[contains(concat(' ',normalize-space(@class),' '),' headerlink ')"
    " or contains(concat(' ',normalize-space(@class),' '),' sphinxsidebar ')"
    " or contains(concat(' ',normalize-space(@class),' '),' anchor ')]"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the process says of a document, taken from its notes."""

    markdown: str
    title: str
    date: str = ""  # YYYY-MM-DD, as the page states it
    links: tuple[str, ...] = ()  # as they are written, on the page or from `base`
    base: str = ""
    index: bool = True  # the page allows to be indexed
    follow: bool = True  # ... its links to be followed
    notes: tuple[str, ...] = field(default=())  # what could not be read of it, for people


def read(data: bytes, options: ReadOptions, kind: Accept, progress: Progress | None = None) -> Document:
    """Raises InputError."""
    found = check(data, options, kind)
    if found in IMAGES:
        raise InputError("images are not indexed", code="unsupported_file")
    if found == "html":
        try:
            return _page(data, options)
        except ImportError as error:
            missing = (error.name or "a library").partition(".")[0]
            if missing == "spatz":
                raise
            raise InputError(
                f"pages cannot be read, because '{missing}' is not installed: pip install \"spatz[documents]\"",
                code="reader_missing",
            ) from None
    return read_part(data, options, kind, progress)


def reading_of(document: Document) -> Reading:
    """What came from a worker, which may be in the hands of the page that it read: checked as the page itself."""
    facts: dict[str, object] = {}
    for note in document.notes:
        if note.code == _FACTS:
            try:
                given = json.loads(note.message)
            except (ValueError, RecursionError):
                given = None
            facts = given if isinstance(given, dict) else {}
    links = facts.get("links")
    date, base = facts.get("date"), facts.get("base")
    return Reading(
        markdown=document.markdown,
        title=document.title or _first_heading(document.markdown),
        date=date if isinstance(date, str) and _DATE.fullmatch(date) else "",
        links=tuple(link for link in links[:MOST_LINKS] if isinstance(link, str)) if isinstance(links, list) else (),
        base=base[:MOST_LINK] if isinstance(base, str) else "",
        index=facts.get("index") is not False,
        follow=facts.get("follow") is not False,
        notes=tuple(note.message for note in document.notes if note.code not in _EXPECTED),
    )


def _page(data: bytes, options: ReadOptions) -> Document:
    from spatz.inputs.hidden import remove_hidden
    from spatz.inputs.html import page_text, page_tree
    from spatz.inputs.html_markdown import MarkdownWriter
    from spatz.inputs.markdown import bounded
    from spatz.inputs.unseen import without_unseen

    text, notes = page_text(data, options.media_type)
    root = page_tree(text)
    facts, title = _facts(root)
    for element in root.xpath(_AROUND):
        if element.getparent() is not None and element.tag not in ("html", "body"):
            element.drop_tree()
    remove_hidden(root)  # after it: what is left is half as much
    markdown = without_unseen(MarkdownWriter(boilerplate=False).write(_main(root)))
    if not markdown.strip():
        notes += (Note("no_text", "There is no text in it; what scripts write on a page cannot be read."),)
    markdown, cut = bounded(markdown, options)
    notes = (*notes, *cut, Note(_FACTS, json.dumps(facts)))
    return Document("text", markdown, title=without_unseen(title), notes=notes)


def _main(root: Element) -> Element:
    """The one part that a page calls its main one; the whole page where it calls none so."""
    for path in ("//main", "//*[@role='main']", "//article"):
        found = root.xpath(path)
        if len(found) == 1 and len("".join(found[0].itertext()).strip()) >= LEAST_MAIN:
            return found[0]
    return root


def _facts(root: Element) -> tuple[dict[str, object], str]:
    said: dict[str, str] = {}
    for meta in root.iterfind(".//meta"):
        name = (
            meta.get("name") or meta.get("property") or meta.get("itemprop") or meta.get("http-equiv") or ""
        ).lower()
        if name and name not in said:
            said[name] = (meta.get("content") or "").strip()[:1_000]
    dates = (_DATE.match(said.get(name, "")) for name in _DATES)
    date = next((found[1] for found in dates if found), "")
    if not date and (times := root.xpath("//time[@datetime]")) and (found := _DATE.match(times[0].get("datetime"))):
        date = found[1]
    robots = {word.strip() for word in f"{said.get('robots', '')},{said.get('spatz', '')}".lower().split(",")}
    links: dict[str, None] = {}
    for anchor in root.iterfind(".//a[@href]"):
        href = anchor.get("href").strip()
        if href and not href.startswith("#") and len(href) <= MOST_LINK and "nofollow" not in (anchor.get("rel") or ""):
            links[href] = None
            if len(links) == MOST_LINKS:
                break
    base = root.find(".//base[@href]")
    title = " ".join((root.findtext(".//title") or "").split())
    title = title or next((said[name] for name in _TITLES if said.get(name)), "")
    facts = {
        "date": date,
        "links": list(links),
        "base": "" if base is None else base.get("href")[:MOST_LINK],
        "index": not robots & {"noindex", "none"},
        "follow": not robots & {"nofollow", "none"},
    }
    return facts, title[:500]


def _first_heading(markdown: str) -> str:
    found = _HEADING.search(markdown[: 1 << 14])
    return " ".join(found[1].strip("# \t").split())[:300] if found else ""
