"""The text layer of a PDF's page as lines: text, place, size, weight.

pdfium gives the characters in the order in which they were drawn, with spaces between words; `lines_of` asks for the
place of each word's ends only (a call for each character would cost more than pdfium itself) and puts the words of a
baseline together. Text that is drawn in another direction is turned until it reads from left to right: each direction
is a sheet of its own. What the characters are worth is counted, so that pdf.py can tell a text layer from garbage.
Nothing here orders lines: layout.py does.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pypdfium2.raw as pdfium

from spatz.inputs.lines import Line
from spatz.inputs.pdf_frame import Frame, direction
from spatz.inputs.pdf_letters import clean

__all__ = ["MAX_CHARACTERS", "FixedLine", "TextLayer", "read_text"]

MAX_CHARACTERS = 1_000_000  # of one page: a book has two to five thousand
HYPHEN = "\ufffe"  # pdfium's sign for the hyphen of a word that goes on in the next line
WORD = re.compile(rf"[^\s{HYPHEN}]+{HYPHEN}?")
DIGITS = frozenset("0123456789")
MAX_RAISED = 5
HEBREW, BEHIND_ARABIC = "\u0590", "\u0900"  # and all between: what is written from right to left
FIXED_FLAG, BOLD_FLAG = 1, 1 << 18  # of FPDFFont_GetFlags: PDF 32000-1, table 123
BOLD_NAME = re.compile(r"bold|black|heavy|semib|demib|cmbx|cmb10|sfbx|-bd\b|\bmedi(?!um)", re.IGNORECASE)


FIXED_NAME = re.compile(r"mono|courier|consol|typewriter|fixed|cmtt|sftt|lmtt|pctt|menlo|inconsolata", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FixedLine(Line):
    """Monospaced: where it breaks is meant, and so are its indents."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the characters of one text object have in common."""

    size: float
    bold: bool
    fixed: bool  # monospaced
    turns: int  # which way its text runs, in quarter turns; -1: obliquely (a watermark)
    base: float  # the baseline, downwards from the top of a page that is turned by `turns`
    bad: bool  # its first character has no meaning


@dataclass(slots=True)
class TextLayer:
    lines: dict[int, list[Line]] = field(default_factory=dict)  # by direction
    characters: int = 0  # that are seen, without spaces
    bad: int = 0  # of them, those that say nothing
    cut: bool = False  # the page has more than MAX_CHARACTERS
    hidden: int = 0  # outside of the page

    @property
    def usable(self) -> bool:
        return self.characters > 0 and self.bad * 5 <= self.characters

    @property
    def turns(self) -> int:
        """The direction of most of the text."""
        return max(self.lines, key=lambda turns: sum(len(line.text) for line in self.lines[turns]), default=0)


def read_text(page: Any, frame: Frame) -> TextLayer:
    """The lines of a loaded page (FPDF_PAGE)."""
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        return TextLayer()
    try:
        return Reader(text_page, frame).read()
    finally:
        pdfium.FPDFText_ClosePage(text_page)


class Reader:
    """One page's text."""

    def __init__(self, text_page: Any, frame: Frame) -> None:
        self.text_page = text_page
        self.frame = frame
        self.layer = TextLayer()
        self.runs: dict[int, Run] = {}  # by the address of the text object
        # Bold, monospaced; by the address of the font, which lives as long as its page.
        self.fonts: dict[int, tuple[bool, bool]] = {}
        self.seen: set[tuple[str, int, int, int]] = set()

    def read(self) -> TextLayer:
        """Words on one baseline without a wide gap between them become a line."""
        words: list[str] = []
        x0 = x1 = size = base = 0.0
        turns, letters, bold, fixed, end, leftwards = -1, 0, 0, 0, 0, False
        last: Run | None = None
        for word, start, stop, run, left, right in self.words():
            gap = x0 - right if leftwards else left - x1
            # Of one text object, whose words may be spread to fill a line, or of two, which may be two cells.
            widest = 1.2 * size if run is last else 0.8 * size
            if words and run.turns == turns and -0.5 * size < gap < widest and near(run, base, size):
                if start == end:
                    words[-1] += word
                else:
                    words.append(word)
                if right > x1:
                    x1 = right
                if left < x0:
                    x0 = left
                if run.size > size:
                    size, base = run.size, run.base  # what came before it was raised or lowered
            else:
                if words:
                    self.add(words, turns, (x0, x1, base), size, (letters, bold, fixed))
                words, x0, x1, size, base, turns = [word], left, right, run.size, run.base, run.turns
                letters = bold = fixed = 0
                leftwards = HEBREW <= word[0] < BEHIND_ARABIC
            count = len(word)
            letters += count
            if run.bold:
                bold += count
            if run.fixed:
                fixed += count
            end, last = stop, run
        if words:
            self.add(words, turns, (x0, x1, base), size, (letters, bold, fixed))
        return self.layer

    def words(self) -> Iterator[tuple[str, int, int, Run, float, float]]:
        """Each word that is seen: its text, where that begins and ends in the page's text, its left and right."""
        layer, text_page, runs = self.layer, self.text_page, self.runs
        text, same = self.text()
        box = pdfium.FS_RECTF()
        place, get_box = ctypes.byref(box), pdfium.FPDFText_GetLooseCharBox
        get_object, address = pdfium.FPDFText_GetTextObject, ctypes.addressof
        sizes = [self.frame.size(turns) for turns in range(4)]
        edge = self.frame.left
        for match in WORD.finditer(text):
            start, stop = match.span()
            word = match.group()
            first = start if same else pdfium.FPDFText_GetCharIndexFromTextIndex(text_page, start)
            final = stop - 1 if same else pdfium.FPDFText_GetCharIndexFromTextIndex(text_page, stop - 1)
            if word[-1] == HYPHEN:
                word = word[:-1] + "-"
                final -= 1
            handle = get_object(text_page, first)
            key = address(handle.contents) if handle else 0
            run = runs.get(key) if key else None
            if run is None:
                run = runs[key] = self.run(handle, first)
            if run.turns < 0:
                continue
            if word[-1] in DIGITS or word[-2:-1] in DIGITS:
                word = self.raised(word, first, key, run)
            if run.turns == 0:
                get_box(text_page, first, place)
                left, right = box.left - edge, box.right - edge
                if final > first:
                    get_box(text_page, final, place)
                    if box.right - edge > right:
                        right = box.right - edge
                    if box.left - edge < left:
                        left = box.left - edge
            else:
                left, right = self.ends(first, final, box, run.turns)
            width, height = sizes[run.turns]
            if -1.0 <= left < width and right > -1.0 and run.base - run.size >= -1.0 and run.base < height + 1.0:
                layer.characters += len(word)
                layer.bad += len(word) if run.bad else 0
                yield word, start, stop, run, left, right
            else:
                layer.hidden += len(word)  # or not a number at all

    def text(self) -> tuple[str, bool]:
        """The page's text, and whether its indices are those of the characters: some of these may have no text."""
        count = max(0, pdfium.FPDFText_CountChars(self.text_page))
        self.layer.cut = count > MAX_CHARACTERS
        count = min(count, MAX_CHARACTERS)
        # Twice: a character beyond the first 65,536 takes two units.
        buffer = (ctypes.c_ushort * (2 * count + 2))()
        units = pdfium.FPDFText_GetText(self.text_page, 0, count, buffer)
        text = bytes(memoryview(buffer)[: max(0, units - 1)]).decode("utf-16-le", "replace")
        return text, len(text) == count

    def add(
        self,
        words: list[str],
        turns: int,
        place: tuple[float, float, float],
        size: float,
        counts: tuple[int, int, int],
    ) -> None:
        """place: left, right, baseline. counts: of letters, of bold and of monospaced ones."""
        text, bad = clean(" ".join(words))
        self.layer.bad += bad
        left, right, base = place
        key = (text, turns, round(left), round(base))
        if not text or key in self.seen:  # drawn twice to look bold, or to have a shadow
            return
        self.seen.add(key)
        letters, bold, fixed = counts
        kind = FixedLine if fixed == letters else Line
        line = kind(text, (left, base - 0.8 * size, right, base + 0.2 * size), None, size, 10 * bold >= 9 * letters)
        self.layer.lines.setdefault(turns, []).append(line)

    def raised(self, word: str, first: int, key: int, run: Run) -> str:
        """The word with a ^ before the small raised number at its end, if it has one: 10^7 is not 107."""
        end = len(word) if word[-1] in DIGITS else len(word) - 1
        start = end
        while start > 1 and end - start < MAX_RAISED:
            handle = pdfium.FPDFText_GetTextObject(self.text_page, first + start - 1)
            other = ctypes.addressof(handle.contents) if handle else 0
            if other == key:
                break
            if other not in self.runs:
                self.runs[other] = self.run(handle, first + start - 1)
            number = self.runs[other]
            if not (number.size < 0.85 * run.size and number.base < run.base - 0.15 * run.size):
                break
            start -= 1
        return f"{word[:start]}^{word[start:]}" if start < end else word

    def ends(self, first: int, final: int, box: Any, turns: int) -> tuple[float, float]:
        """Where a word of turned text begins and ends."""
        boxes = []
        for index in (first, final):
            pdfium.FPDFText_GetLooseCharBox(self.text_page, index, ctypes.byref(box))
            boxes.append(self.frame.place((box.left, box.bottom, box.right, box.top), turns))
        return min(boxes[0][0], boxes[1][0]), max(boxes[0][2], boxes[1][2])

    def run(self, handle: Any, index: int) -> Run:
        matrix = pdfium.FS_MATRIX()
        x, y = ctypes.c_double(), ctypes.c_double()
        if not pdfium.FPDFText_GetMatrix(self.text_page, index, ctypes.byref(matrix)):
            matrix.a = matrix.d = 1.0
        pdfium.FPDFText_GetCharOrigin(self.text_page, index, ctypes.byref(x), ctypes.byref(y))
        size = pdfium.FPDFText_GetFontSize(self.text_page, index) * math.hypot(matrix.c, matrix.d)
        if not 0.0 < size < 1e5:
            size = 1.0
        turns = direction(matrix.a, matrix.b)
        base = self.frame.place((x.value, y.value, x.value, y.value), max(turns, 0))[1]
        bad = pdfium.FPDFText_HasUnicodeMapError(self.text_page, index) == 1
        return Run(size, *self.font(handle), turns, base, bad)

    def font(self, handle: Any) -> tuple[bool, bool]:
        """Whether it is bold, and monospaced."""
        font = pdfium.FPDFTextObj_GetFont(handle) if handle else None
        if not font:
            return False, False
        key = ctypes.addressof(font.contents)
        known = self.fonts.get(key)
        if known is None:
            buffer = ctypes.create_string_buffer(128)
            pdfium.FPDFFont_GetBaseFontName(font, buffer, 128)
            name, flags = buffer.value.decode("latin-1"), pdfium.FPDFFont_GetFlags(font)
            heavy = pdfium.FPDFFont_GetWeight(font) >= 600 or flags & BOLD_FLAG or BOLD_NAME.search(name)
            known = self.fonts[key] = bool(heavy), bool(flags & FIXED_FLAG or FIXED_NAME.search(name))
        return known


def near(run: Run, base: float, size: float) -> bool:
    """Whether its baseline is that of the line, but for what is raised or lowered."""
    return abs(run.base - base) < 0.4 * max(size, run.size)
