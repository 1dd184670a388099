"""A page's Markdown as passages: a few sentences, list items or table rows, under the headings that they stand under.

Sits between the pages that were read and ranking.py, which picks among passages. It reads form alone (blank lines,
marks of lists, tables and code) and takes any text: what looks like nothing in particular is a paragraph. A passage is
one stretch of the page, so that a citation can say where it stands. Its text is that stretch as a reader sees it: links
by what they are called, cells of a table by the heads of their columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from spatz.search.abbreviations import stop_ends
from spatz.search.page import Page
from spatz.search.passage import Passage

__all__ = ["plain", "sentences", "split"]

FULL = 560  # characters of a passage, some 130 tokens; blocks are put together up to it
WHOLE = 1_000  # of tables and code, which are not cut before
SENTENCES = 420  # of a long paragraph that make one passage
HEADING = 100  # of a heading that are shown
LEVELS = 2  # headings that are shown above a passage
LEADING = 120  # of a line that says what follows it, and belongs to it
CELLS = 24  # columns whose heads are repeated in each row
MOST_TEXT = 4_000_000  # of a page that are looked at
LONGEST_WORD = 32  # before a full stop, of those that may be an abbreviation

_Kind = Literal["code", "heading", "table", "item", "text"]

_MARK = r"(?:[-*+\u2022]|\d{1,4}[.)])[ \t]+\S"
_FENCE = r"[ ]{0,3}(?:```|~~~)"
_HEAD = r"[ ]{0,3}\#{1,6}(?:[ \t]|$)"
# Each alternative begins at a line's start and takes whole lines; a line ends it that begins something else.
_BLOCK = re.compile(
    rf"""
      ^[ ]{{0,3}}(?P<fence>```+|~~~+)[^\n]*\n(?P<code>(?:[^\n]*\n)*?)(?:[ ]{{0,3}}(?P=fence)[`~]*[ \t]*$|\Z)
    | ^(?P<heading>{_HEAD}[^\n]*)
    | (?P<table>(?:^[ \t]*\|[^\n]*(?:\n|\Z))+)
    | ^(?P<item>[ \t]*{_MARK}[^\n]*(?:\n(?!{_FENCE}|{_HEAD}|[ \t]*\||[ \t]*{_MARK})[ \t]*\S[^\n]*)*)
    | ^(?P<under>[^\s|>-][^\n]{{0,200}}\n[ ]{{0,3}}(?:={{3,}}|-{{3,}}|~{{3,}})[ \t]*$)
    | ^(?P<text>[ \t]*\S[^\n]*(?:\n(?!{_FENCE}|{_HEAD}|[ \t]*\||[ \t]*{_MARK})[ \t]*\S[^\n]*)*)
    """,
    re.MULTILINE | re.VERBOSE,
)
_BOLD = re.compile(r"(?:\*\*|__)([^*_\n]{1,100})(?:\*\*|__):?$")
_RULE = re.compile(r"[\s|:*_=~.+-]*$")
# Where a sentence may end, with the word that follows; what ends one in writing without spaces does so anywhere.
_STOP = re.compile(
    r"[.!?\u2026]+[\"'\u2019\u201d)\]*_`]{0,4}(?=\s{1,40}[\"'\u2018\u201c(\[*_`]{0,4}(\w{0,32}))|[\u3002\uff01\uff1f]"
)
_LAST_WORD = re.compile(r"[^\s(\[\"'*_`/]*$")
_LINK = re.compile(
    r"!?\[([^\[\]\n]{0,300})\]\([^()\s]{0,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,200})?(?:[ ]\"[^\"\n]{0,200}\")?\)"
)
_STRONG = re.compile(r"\*\*([^*\n]{1,300})\*\*")
_EMPHASIS = re.compile(
    r"\*(?<![\w*]\*)([^\s*](?:[^*\n]{0,200}[^\s*])?)\*(?![\w*])|_(?<!\w_)([^\s_][^_\n]{0,200}?)_(?!\w)"
)
_BAR = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters [start, end) of the page that stay together, and what a reader sees of them."""

    start: int
    end: int
    text: str
    kind: _Kind
    heading: str


def split(page: Page) -> list[Passage]:
    """All passages of a page, in order, disjoint. Empty for a page without text."""
    found = []
    for group in _groups(_pieces(page.markdown[:MOST_TEXT])):
        body = "\n".join(piece.text for piece in group)
        heading = group[0].heading
        text = f"{heading}:\n{body}" if heading else body
        found.append(Passage(page, group[0].start, group[-1].end, text, heading=heading))
    return found


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Characters [start, end) of a text's sentences, without the white space between them."""
    start = 0
    for found in _STOP.finditer(text):
        at, end = found.span()
        if found[1] is not None and text[at] == "." and end == at + 1:
            word = _LAST_WORD.search(text, max(start, at - LONGEST_WORD), at)
            if not stop_ends(word[0] if word else "", found[1]):
                continue
        yield start, end
        start = end
        while start < len(text) and text[start].isspace():
            start += 1
    if start < len(text):
        yield start, len(text.rstrip())


def plain(text: str) -> str:
    """Markdown as one line of text: links by what they are called, without marks of emphasis."""
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "*" in text:
        text = _STRONG.sub(r"\1", text)
    if "*" in text or "_" in text:
        text = _EMPHASIS.sub(r"\1\2", text)
    return " ".join(text.replace("`", "").split())


def _pieces(markdown: str) -> Iterator[_Piece]:
    headings: list[tuple[int, str]] = []
    heading = ""
    for found in _BLOCK.finditer(markdown):
        kind: _Kind = found.lastgroup  # type: ignore[assignment]  # the named groups are the kinds, and "fence"
        start, end = found.span()
        said = found[0]
        level = 0
        if kind == "heading":
            mark = said.lstrip()
            level = len(mark) - len(mark.lstrip("#"))
            said = mark.strip("# \t")
        elif found["under"] is not None:
            said, _, line = said.partition("\n")
            level = 1 if "=" in line else 2
        elif kind == "text":
            if bold := _BOLD.match(said.strip()):
                level, said = 7, bold[1]
            elif _RULE.match(said):
                continue
        if level:
            headings = [one for one in headings if one[0] < level]
            said = plain(said)[:HEADING].rstrip(" :")
            if said:
                headings.append((level, said))
            heading = " > ".join(title for _, title in headings[-LEVELS:])
        elif found["code"] is not None:
            yield from _code(markdown, *found.span("code"), heading)
        elif kind == "table":
            yield from _rows(start, said, heading)
        elif end - start <= FULL:
            yield _Piece(start, end, plain(said), kind, heading)
        else:
            yield from _paragraph(start, said, kind, heading)


def _paragraph(start: int, said: str, kind: _Kind, heading: str) -> Iterator[_Piece]:
    """A long one, in pieces of whole sentences of about the same size."""
    count = -(-len(said) // SENTENCES)
    share = len(said) / count
    begun = 0
    last = 0
    for first, end in _bounded(said):
        if end - begun > share * 1.3 and first > begun:
            yield _Piece(start + begun, start + last, plain(said[begun:last]), kind, heading)
            begun = first
        last = end
    if last > begun:
        yield _Piece(start + begun, start + last, plain(said[begun:last]), kind, heading)


def _bounded(said: str) -> Iterator[tuple[int, int]]:
    """Sentences; one of more than WHOLE characters is none, and cut at its words."""
    for start, end in sentences(said):
        while end - start > WHOLE:
            cut = max(said.rfind(" ", start, start + SENTENCES), said.rfind("\n", start, start + SENTENCES))
            cut = cut if cut > start else start + SENTENCES
            yield start, cut
            start = cut
        yield start, end


def _code(markdown: str, start: int, end: int, heading: str) -> Iterator[_Piece]:
    """As it is, whole or in runs of lines."""
    begun = start
    while begun < end:
        cut = end
        if end - begun > WHOLE:
            cut = max(markdown.rfind("\n", begun, begun + FULL) + 1, 0)
            cut = cut if cut > begun else begun + FULL
        said = markdown[begun:cut].strip("\n").rstrip()
        if said.strip():
            yield _Piece(begun, cut, said, "code", heading)
        begun = cut


def _rows(start: int, said: str, heading: str) -> Iterator[_Piece]:
    """A table's rows, each with the heads of its columns: "Port: 80; Use: HTTP"."""
    heads: list[str] | None = None
    first: tuple[int, int, str] | None = None
    count = 0
    for line in said.splitlines(keepends=True):
        begun, start = start, start + len(line)
        if _RULE.match(line):
            continue
        cells = [plain(cell.replace("\\|", "|")) for cell in _BAR.split(line.strip().strip("|"))]
        if heads is None:
            heads = cells
            first = begun, start, " | ".join(cells)
            continue
        count += 1
        if len(cells) <= CELLS:
            named = zip(cells, [*heads, *[""] * len(cells)], strict=False)
            text = "; ".join(f"{head}: {cell}" if head and head != cell else cell for cell, head in named if cell)
        else:
            text = " | ".join(cell for cell in cells if cell)
        if text:
            yield _Piece(begun, start, text, "table", heading)
    if first is not None and not count:
        yield _Piece(*first, "table", heading)


def _groups(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces that make one passage: under the same headings, one behind the other."""
    group: list[_Piece] = []
    size = 0
    for piece in pieces:
        most = WHOLE if piece.kind in ("code", "table") else FULL
        same = bool(group) and group[-1].heading == piece.heading
        if group and (not same or size + len(piece.text) > most):
            # What announces the next piece ("... as follows:", a term before its definition) goes with it.
            leads = same and len(group) > 1 and _leads(group[-1])
            kept = [group.pop()] if leads else []
            yield group
            group = kept
            size = sum(len(one.text) for one in group)
        group.append(piece)
        size += len(piece.text)
    if group:
        yield group


def _leads(piece: _Piece) -> bool:
    return piece.kind == "text" and len(piece.text) <= LEADING and not piece.text.endswith((".", "!", "?"))
