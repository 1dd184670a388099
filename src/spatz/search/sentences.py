"""The sentences of an answer, one after another while it is being written, and where they are.

What is found does not depend on how the text was cut into pieces: a sentence is told when what follows it can no
longer change it, some characters later. List items, rows of tables, blocks of code and the values of a JSON answer are
units of their own; headings, keys and lines that introduce a list are remembered as what those stand under. It reads
form (stops, capitals, known abbreviations), not meaning, and is no Markdown parser: what looks like none of its forms
is prose.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from spatz.search.abbreviations import stop_ends
from spatz.search.json_text import FILLER, JsonText, begins_json

__all__ = ["LONGEST", "Kind", "Sentence", "Sentences", "sentences"]

Kind = Literal["prose", "item", "row", "code", "value"]

LONGEST = 800  # characters; what is longer is cut where it does least harm
_AHEAD = 64  # characters of white space, or of a word, that are waited for
_LINE_HEAD = 16  # characters that tell what a line is
_LONGEST_HEAD = 200  # of a line that may open a block or be a rule
_WRAPPED = 50  # characters of a line from which on the next one may go on with its sentence

_STOP = re.compile(r"[.!?\u2026]{1,16}|[\u3002\uff01\uff1f\uff61\u0964\u061f\u06d4]{1,16}|\n")
_OWN_END = "\u3002\uff01\uff1f\uff61\u0964\u061f\u06d4"  # no space is needed after them
_CLOSERS = re.compile(
    r"(?:[ \u00a0\u202f]?\u00bb|[\u201c\"'\u201d\u2019\u00bb\u00ab)\]}*_`\u300d\u300f\uff09\u3011]|\[\d{1,3}\]){0,8}"
)
_MARK_BEGUN = re.compile(r"\[\d{0,3}")
_BLANK = re.compile(rf"[\s{FILLER}]*")
_TRAIL = re.compile(rf"[\s{FILLER}]+$")
_GAP = re.compile(rf"[\s{FILLER}]{{0,{_AHEAD}}}")
_QUOTE = re.compile(r"(?:>[ \t]?)+")
_MARKER = re.compile(r"(?:[-*+\u2022\u2013\u2023]|\d{1,9}[.)]|[a-z][.)]|[A-Z]\))[ \t]+(?:\[[ xX]\][ \t]+)?")
_HEADING = re.compile(r"#{1,6}[ \t]")
_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([^`\n]*)(?:\n|$)")
_RULE = re.compile(r"([-*_=])[ \t]*(?:\1[ \t]*){2,}(?:\n|$)")
_RULE_BEGUN = re.compile(r"([-*_=])[ \t]*(?:\1[ \t]*){0,}$")
_TABLE_RULE = re.compile(r"[|:\-\s]+")
_NEXT_WORD = re.compile(rf"[\"'\u201c\u201e\u00ab(\[*_`]{{0,4}}(\w{{0,{_AHEAD}}})")
_LAST_WORD = re.compile(r"[^\s(\[\"'\u201c\u201e\u00ab*_`/]*$")
_CUTS = (";", "\uff1b", ":", "\uff0c", ",", "\u3001", " ")
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Sentence:
    start: int  # characters (code points) [start, end) of the answer; without white space around it
    end: int
    text: str  # what it says: of JSON without escapes, otherwise what stands there
    lead: str = ""  # the heading, key, head of a table, or the line before a list that it stands under
    kind: Kind = "prose"


def sentences(text: str) -> list[Sentence]:
    """Of a whole text."""
    splitter = Sentences()
    return [*splitter.feed(text), *splitter.end()]


class Sentences:
    """Of one answer."""

    def __init__(self) -> None:
        self._rest = ""  # what has been fed and not been told
        self._at = 0  # where in the answer it begins
        self._from = 0  # characters of it in which no sentence ends
        self._column = 0  # characters of its line that stand before it
        self._at_line = True  # only white space does
        self._begun = False
        self._item = False
        self._json: JsonText | None = None
        self._fence = ""  # what ends the block of code that we are in
        self._code: list[str] = []  # its lines, from the first that is not blank
        self._code_at = 0
        self._heading = ""
        self._introduction = ""  # the last line that ended with a colon
        self._table = ""  # the head of the one that we are in

    def feed(self, text: str) -> list[Sentence]:
        self._rest += self._json.feed(text) if self._json is not None and self._json.end is None else text
        return self._told(last=False)

    def end(self) -> list[Sentence]:
        return [*self._told(last=True), *self._block()]

    def _told(self, *, last: bool) -> list[Sentence]:
        found: list[Sentence] = []
        while self._rest:
            taken = self._next(last)
            if taken is None:
                break
            found += taken
        return found

    def _next(self, last: bool) -> list[Sentence] | None:
        """What comes next, often nothing but space or a mark; None: that cannot be told yet."""
        if self._fence and not self._in_json:
            return self._code_line(last)
        blank = _BLANK.match(self._rest)
        if blank and blank.end():
            self._drop(blank.end())
            return []
        if not self._begun:
            looks = begins_json(self._rest)
            if looks is None and not last:
                return None
            self._begun = True
            if looks:
                self._read_json()
                return []
        if self._at_line:
            return self._line(last)
        end = self._sentence_end(last)
        return None if end is None else self._sentence(end)

    @property
    def _in_json(self) -> bool:
        return self._json is not None and (self._json.end is None or self._at < self._json.end)

    def _read_json(self) -> None:
        self._json = JsonText(self._at)
        self._rest = self._json.feed(self._rest)

    def _drop(self, count: int) -> str:
        taken, self._rest = self._rest[:count], self._rest[count:]
        self._at += count
        self._from = 0
        line = taken.rfind("\n")
        self._column = self._column + count if line < 0 else count - line - 1
        self._at_line = (self._at_line or line >= 0) and not taken[line + 1 :].strip(" \t\r" + FILLER)
        return taken

    # Lines.

    def _line(self, last: bool) -> list[Sentence] | None:
        """Something that the beginning of a line tells; or no more than that it is text."""
        rest = self._rest
        line = rest.find("\n", 0, LONGEST)
        if line < 0 and len(rest) < _LINE_HEAD and not last:
            return None
        head = rest[:_LINE_HEAD]
        whole = line >= 0 or last or len(rest) >= LONGEST
        if quote := _QUOTE.match(head):
            self._drop(quote.end())
            self._at_line = True
            return []
        if head.startswith(("```", "~~~")) and not self._in_json:
            opened = self._opened(line, whole)
            if opened is not False:
                return None if opened is None else []
        if self._rule(line, whole):
            return [] if whole else None
        if head[0] == "|" or _HEADING.match(head):
            return self._whole_line(line) if whole else None
        self._table = ""
        marker = _MARKER.match(head)
        self._item = marker is not None
        if marker:
            self._drop(marker.end())
        self._at_line = False
        return []

    def _opened(self, line: int, whole: bool) -> bool | None:
        """Whether a block of code has been opened here."""
        if not whole and len(self._rest) < _LONGEST_HEAD:
            return None
        fence = _FENCE.match(self._rest, 0, line + 1 if line >= 0 else _LONGEST_HEAD)
        if fence is None or (fence.end() < len(self._rest) and line < 0):
            return False
        self._fence = fence[1]
        self._drop(fence.end())
        if fence[2].strip().lower() in ("json", "jsonc", "json5"):
            self._read_json()
        return True

    def _rule(self, line: int, whole: bool) -> bool:
        """Whether the line is one of dashes and no more, as far as it is known."""
        if not whole:
            return len(self._rest) < _LONGEST_HEAD and _RULE_BEGUN.match(self._rest) is not None
        rule = _RULE.match(self._rest, 0, line + 1 if line >= 0 else len(self._rest))
        if rule:
            self._drop(rule.end())
        return rule is not None

    def _whole_line(self, line: int) -> list[Sentence]:
        """A heading, or a row of a table."""
        start = self._at
        text = self._drop(line + 1 if line >= 0 else LONGEST)
        self._at_line = True
        if text[0] == "#":
            self._heading, self._introduction, self._table = text.strip("# \t\r\n"), "", ""
            return []
        if _TABLE_RULE.fullmatch(text):
            return []
        row = re.sub(r"^[|\s]+|[|\s]+$", "", text)
        if not self._table:
            self._table = row
            return []
        start += text.index(row)
        return [Sentence(start, start + len(row), row, _joined(self._heading, self._table), "row")]

    def _code_line(self, last: bool) -> list[Sentence] | None:
        line = self._rest.find("\n", 0, LONGEST)
        if line < 0 and len(self._rest) < LONGEST and not last:
            return None
        start = self._at
        text = self._drop(line + 1 if line >= 0 else LONGEST)
        if text.strip() and not text.strip().strip(self._fence[0]) and len(text.strip()) >= len(self._fence):
            self._fence = ""
            self._at_line = True
            return self._block()
        told = self._block() if sum(map(len, self._code)) + len(text) > LONGEST else []
        if self._code or text.strip():
            if not self._code:
                self._code_at = start
            self._code.append(text)
        return told

    def _block(self) -> list[Sentence]:
        """What has been read of a block of code."""
        text = "".join(self._code)
        start = self._code_at + len(text) - len(text.lstrip())
        text = text.strip()
        self._code.clear()
        lead = _joined(self._heading, self._introduction)
        return [Sentence(start, start + len(text), text, lead, "code")] if text else []

    # Sentences.

    def _sentence(self, end: int) -> list[Sentence]:
        start, value = self._at, self._in_json
        text = self._drop(end)
        text = _TRAIL.sub("", text)
        if not any(map(str.isalnum, text)):
            return []
        said = text.replace(FILLER, "") if value else text
        if value and self._json is not None:
            return [Sentence(start, start + len(text), said, self._json.key(start), "value")]
        lead = _joined(self._heading, self._introduction) if self._item else self._heading
        if text.rstrip("*_").endswith((":", "\uff1a")):
            self._introduction = text
        elif not self._item:
            self._introduction = ""
        return [Sentence(start, start + len(text), text, lead, "item" if self._item else "prose")]

    def _sentence_end(self, last: bool) -> int | None:
        """How much of the rest is the next sentence."""
        rest = self._rest
        for stop in _STOP.finditer(rest, self._from):
            if stop.start() >= LONGEST:
                break
            self._from = stop.start()
            ends = self._breaks(stop.start(), last) if stop[0] == "\n" else self._stops(stop, last)
            if ends is None:
                return None
            if ends:
                return ends
            self._from = stop.end()
        if len(rest) > LONGEST:
            return _cut(rest)
        self._from = len(rest)
        return len(rest) if last else None

    def _breaks(self, at: int, last: bool) -> int | None:
        """Where the sentence ends if the line break does that; 0: it goes on; None: it cannot be told yet."""
        rest = self._rest
        gap = _GAP.match(rest, at)
        next_at = gap.end() if gap else at
        if rest.count("\n", at, next_at) > 1 or next_at - at >= _AHEAD:
            return at
        before = at - rest.rfind("\n", 0, at) - 1
        before += self._column if before == at else 0
        if before < _WRAPPED:
            return at
        head = rest[next_at : next_at + _LINE_HEAD]
        if len(head) < _LINE_HEAD and "\n" not in head and not last:
            return None
        return 0 if head[:1].islower() and not _MARKER.match(head) else at

    def _stops(self, stop: re.Match[str], last: bool) -> int | None:
        rest = self._rest
        closers = _CLOSERS.match(rest, stop.end())
        after = closers.end() if closers else stop.end()
        if after == len(rest) or _MARK_BEGUN.fullmatch(rest, after):
            return after if last else None
        if stop[0][0] in _OWN_END:
            return 0 if _joins(rest[after]) else after
        gap = _GAP.match(rest, after)
        next_at = gap.end() if gap else after
        if next_at == after:
            return 0
        if next_at - after >= _AHEAD:
            return after
        word = _NEXT_WORD.match(rest, next_at)
        if (word is None or word.end() == len(rest)) and not last and len(rest) - next_at < _AHEAD:
            return None
        following = word[1] if word else ""
        if stop[0] == ".":
            known = _LAST_WORD.search(rest, max(0, stop.start() - _AHEAD), stop.start())
            ends = stop_ends(known[0] if known else "", following)
        else:
            ends = not following[:1].islower()
        return after if ends or "\n\n" in rest[after:next_at] else 0


def _joined(*leads: str) -> str:
    return " ".join(filter(None, leads))


def _joins(char: str) -> bool:
    """Whether it belongs to the character before it."""
    return (
        unicodedata.category(char)[0] == "M"
        or char in _JOINERS
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\U0001f1e6" <= char <= "\U0001f1ff"  # halves of flags
    )


def _cut(text: str) -> int:
    """Where to cut what has no end."""
    for mark in _CUTS:
        at = text.rfind(mark, LONGEST // 2, LONGEST)
        if at >= 0 and text[at + 1 : at + 2].isspace() | (mark not in ";:,"):
            return at + 1
    at = LONGEST
    while at > LONGEST - 32 and (_joins(text[at]) or text[at - 1] == "\u200d"):
        at -= 1
    return at
