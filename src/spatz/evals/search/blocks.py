"""Plain text with the usual marks (Markdown, reStructuredText, docstrings, manual pages) as blocks of a page.

It reads what is on the machine, to make pages of it; it is no full parser of any of these languages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Block", "Code", "Heading", "Items", "Paragraph", "Table", "blocks"]


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str  # on one line


@dataclass(frozen=True, slots=True)
class Items:
    texts: tuple[str, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    rows: tuple[tuple[str, ...], ...]  # the first one is the head


Block = Heading | Paragraph | Items | Code | Table

_FENCE = re.compile(r"^\s*(```|~~~)")
_HASHES = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_UNDERLINE = re.compile(r"^([=\-~^\"'*+#])\1{2,}\s*$")
_ITEM = re.compile(r"^(\s*)(?:([-*+\u2022])|\(?(\d{1,3})[.)])\s+(\S.*)$")
_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")
# Badges, raw HTML, directives and their options, and definitions of link targets.
_NOISE = re.compile(r"^\s*(?:<|\[!\[|!\[|\.\. |\.\.$|:\w[\w-]*:\s|\[[^\]]+\]:\s|__ )")


def blocks(text: str) -> list[Block]:
    found: list[Block] = []
    lines = text.expandtabs(4).splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif _FENCE.match(line):
            at = _fenced(lines, at, found)
        elif heading := _HASHES.match(line):
            found.append(Heading(len(heading[1]), heading[2]))
            at += 1
        elif at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1]) and not line.startswith(" ") and len(line) < 100:
            found.append(Heading(1 if lines[at + 1][0] == "=" else 2, line.strip()))
            at += 2
        elif _UNDERLINE.match(line) or _NOISE.match(line):
            at += 1
        elif line.lstrip().startswith("|"):
            at = _table(lines, at, found)
        elif _ITEM.match(line):
            at = _items(lines, at, found)
        elif line.startswith("    ") or line.lstrip().startswith((">>>", "$ ")):
            at = _code(lines, at, found)
        else:
            at = _paragraph(lines, at, found)
    return found


def _fenced(lines: list[str], at: int, found: list[Block]) -> int:
    end = at + 1
    while end < len(lines) and not _FENCE.match(lines[end]):
        end += 1
    found.append(Code("\n".join(lines[at + 1 : end])))
    return end + 1


def _table(lines: list[str], at: int, found: list[Block]) -> int:
    rows = []
    while at < len(lines) and lines[at].lstrip().startswith("|"):
        if not _RULE.match(lines[at]):
            rows.append(tuple(cell.strip() for cell in lines[at].strip().strip("|").split("|")))
        at += 1
    if rows:
        width = max(map(len, rows))
        found.append(Table(tuple(row + ("",) * (width - len(row)) for row in rows)))
    return at


def _items(lines: list[str], at: int, found: list[Block]) -> int:
    first = _ITEM.match(lines[at])
    assert first is not None  # the caller has looked
    texts: list[str] = []
    while at < len(lines):
        item = _ITEM.match(lines[at])
        if item and bool(item[3]) != bool(first[3]):
            break
        if item:
            texts.append(item[4].strip())
        elif lines[at].strip() and lines[at].startswith(first[1] + " "):
            texts[-1] += " " + lines[at].strip()
        elif not (not lines[at].strip() and at + 1 < len(lines) and _ITEM.match(lines[at + 1])):
            break
        at += 1
    found.append(Items(tuple(texts), first[3] is not None))
    return at


def _code(lines: list[str], at: int, found: list[Block]) -> int:
    start = at
    while at < len(lines) and (lines[at].startswith("    ") or (lines[at].strip() and lines[start][0] != " ")):
        at += 1
    at = max(at, start + 1)
    body = lines[start:at]
    indent = min(len(line) - len(line.lstrip()) for line in body)
    text = "\n".join(line[indent:] for line in body)
    # Prose that is only indented (manual pages, notes) stays prose.
    if re.match(r"[A-Z][a-z]+ [a-z]+ [a-z]+", text) and text.rstrip().endswith((".", ":")):
        found.append(Paragraph(" ".join(text.split())))
    else:
        found.append(Code(text))
    return at


def _paragraph(lines: list[str], at: int, found: list[Block]) -> int:
    words: list[str] = []
    while at < len(lines) and lines[at].strip() and not _FENCE.match(lines[at]) and not _ITEM.match(lines[at]):
        if words and (_HASHES.match(lines[at]) or lines[at].startswith("     ")):
            break
        words += lines[at].split()
        at += 1
    if words and words[-1].endswith("::"):
        words[-1] = words[-1][:-1] if words[-1] != "::" else ""
    found.append(Paragraph(" ".join(words).strip()))
    return max(at, 1)
