"""What of a document is given to the full-text index, and in which parts: the same for the same text, always.

The index keeps no text of its own (its table is contentless): what was fed is computed again when a document is taken
out, so a change here is another VERSION in schema.py. A long document is several rows, cut at headings and paragraphs,
so that a book's one page on a subject is found and weighed as a page.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

__all__ = ["HUMP", "WORD", "Fed", "feed", "folded", "forms", "headings", "name_of", "parts", "spaced"]

FULL = 6_000  # characters of a part
LEAST = 2_500  # of a part before a heading begins another
MOST_PARTS = 1 << 13
LONGEST = 40  # characters of a word that is kept for corrections
MOST_HEADINGS = 100

_BREAK = re.compile(r"\n(?=#{1,4}[ \t])|\n\n")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.{1,300})$", re.MULTILINE)
_TARGET = re.compile(r"\]\([^()\s]{0,2000}\)")  # of a link: its words are the address's, not the page's
_HUMPED = re.compile(r"[a-z0-9][A-Z]")
HUMP = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
WORD = re.compile(r"[^\W_]+")
# Scripts without spaces between words: each two neighbours make a word.
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+")


class Fed(NamedTuple):
    """The columns of a row."""

    title: str
    headings: str
    body: str
    also: str  # parts of compound names, and of the address: what may be asked for and is not written so


def parts(markdown: str) -> Iterator[tuple[str, str]]:
    """(the heading that it stands under, text) of each part, in order; put together they are the text."""
    start = 0
    heading = ""
    count = 0
    while start < len(markdown):
        end = _end(markdown, start) if count < MOST_PARTS - 1 else len(markdown)
        text = markdown[start:end]
        yield heading, text
        last = None
        for last in _HEADING.finditer(text):  # noqa: B007  # the last of them
            pass
        heading = " ".join(last[1].split()) if last else heading
        start = end
        count += 1


def _end(markdown: str, start: int) -> int:
    if len(markdown) - start <= FULL:
        return len(markdown)
    best = start
    for found in _BREAK.finditer(markdown, start + LEAST, start + FULL):
        best = found.end()
        if markdown.startswith("#", best):
            return best
    if best == start:
        best = max(markdown.rfind("\n", start + LEAST, start + FULL), markdown.rfind(" ", start + LEAST, start + FULL))
        best = best + 1 if best >= 0 else start + FULL
    return best


def feed(title: str, heading: str, text: str, address: str) -> Fed:
    """address: words of the document's name, the same for all of its parts."""
    text = _TARGET.sub("] ", text) if "](" in text else text
    humped = {word for word in set(WORD.findall(f"{title} {text}")) if not word.islower() and _HUMPED.search(word)}
    # In order: what is fed must be the same each time.
    also = [address, *(" ".join(HUMP.findall(name)) for name in sorted(humped)[:2_000] if len(name) <= 100)]
    return Fed(spaced(title), spaced("\n".join((heading, *headings(text)))), spaced(text), spaced(" . ".join(also)))


def headings(text: str) -> list[str]:
    return _HEADING.findall(text)[:MOST_HEADINGS]


def name_of(url: str) -> str:
    """The words of an address's last steps."""
    try:
        path = unquote(urlsplit(url).path)
    except ValueError:
        return ""
    return " ".join(path.rsplit("/", 3)[-2:])[:300]


def spaced(text: str) -> str:
    """With a space between each two neighbouring characters of scripts that have none between words, pairwise."""
    return text if text.isascii() else _UNSPACED.sub(_pairs, text)


def _pairs(found: re.Match[str]) -> str:
    run = found[0]
    return f" {' '.join(map(''.join, pairwise(run))) if len(run) > 1 else run} "


def forms(text: str) -> set[str]:
    """The words of a text as they are kept for corrections of what is asked."""
    words = set(WORD.findall(text.casefold()))
    return {
        word if word.isascii() else folded(word) for word in words if 3 <= len(word) <= LONGEST and not word.isdigit()
    }


def folded(word: str) -> str:
    """In small letters, without accents: as FTS5 sees it."""
    word = word.casefold()
    if word.isascii():
        return word
    return "".join(one for one in unicodedata.normalize("NFKD", word) if not unicodedata.combining(one))
