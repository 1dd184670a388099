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
from dataclasses import dataclass, field
from typing import Any

import pypdfium2.raw as pdfium

from spatz.inputs.lines import Box, Line
from spatz.inputs.pdf_letters import clean

__all__ = ["MAX_CHARACTERS", "FixedLine", "Frame", "TextLayer", "frame_of", "read_text"]

MAX_CHARACTERS = 1_000_000  # of one page: a book has two to five thousand
HYPHEN = "\ufffe"  # pdfium's sign for the hyphen of a word that goes on in the next line
WORD = re.compile(rf"[^\s{HYPHEN}]+{HYPHEN}?")
DIGITS = frozenset("0123456789")
MAX_RAISED = 5
FIXED_FLAG, BOLD_FLAG = 1, 1 << 18  # of FPDFFont_GetFlags: PDF 32000-1, table 123
BOLD_NAME = re.compile(r"bold|black|heavy|semib|demib|cmbx|cmb10|sfbx|-bd\b|\bmedi(?!um)", re.IGNORECASE)


FIXED_NAME = re.compile(r"mono|courier|consol|typewriter|fixed|cmtt|sftt|lmtt|pctt|menlo|inconsolata", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FixedLine(Line):
    """Monospaced: where it breaks is meant, and so are its indents."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a page's visible part lies in its own units, and how it is turned to be read."""

    left: float
    bottom: float
    right: float
    top: float
    turns: int  # quarters, clockwise, as a viewer shows it

    def size(self, turns: int) -> tuple[float, float]:
        """Width and height after `turns` quarter turns."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if turns & 1 else (width, height)

    def place(self, box: Box, turns: int) -> Box:
        """A box of the page's units (y upwards) as seen after `turns` quarter turns (y downwards)."""
        x0, y0, x1, y1 = box
        match turns:
            case 0:
                return x0 - self.left, self.top - y1, x1 - self.left, self.top - y0
            case 1:
                return y0 - self.bottom, x0 - self.left, y1 - self.bottom, x1 - self.left
            case 2:
                return self.right - x1, y0 - self.bottom, self.right - x0, y1 - self.bottom
            case _:
                return self.top - y1, self.right - x1, self.top - y0, self.right - x0


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


def frame_of(page: Any) -> Frame:
    box = pdfium.FS_RECTF()
    turns = pdfium.FPDFPage_GetRotation(page) % 4
    if pdfium.FPDF_GetPageBoundingBox(page, ctypes.byref(box)) and box.right > box.left and box.top > box.bottom:
        return Frame(box.left, box.bottom, box.right, box.top, turns)
    return Frame(0.0, 0.0, 612.0, 792.0, turns)


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
        text_page, layer = self.text_page, self.layer
        count = max(0, pdfium.FPDFText_CountChars(text_page))
        layer.cut = count > MAX_CHARACTERS
        count = min(count, MAX_CHARACTERS)
        # Twice: a character beyond the first 65,536 takes two units.
        buffer = (ctypes.c_ushort * (2 * count + 2))()
        units = pdfium.FPDFText_GetText(text_page, 0, count, buffer)
        text = bytes(memoryview(buffer)[: max(0, units - 1)]).decode("utf-16-le", "replace")
        same = len(text) == count  # else some characters have no text
        box = pdfium.FS_RECTF()
        place, get_box = ctypes.byref(box), pdfium.FPDFText_GetLooseCharBox
        get_object, address = pdfium.FPDFText_GetTextObject, ctypes.addressof
        places = [self.frame.size(turns) for turns in range(4)]
        runs = self.runs

        words: list[str] = []  # of the line that is being put together
        x0 = x1 = size = base = 0.0
        turns, bold_letters, fixed_letters, letters, end = -1, 0, 0, 0, 0
        last: Run | None = None
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
                left, right = box.left, box.right
                if final > first:
                    get_box(text_page, final, place)
                    right = max(right, box.right)
                left -= self.frame.left
                right -= self.frame.left
            else:
                left, right = self.ends(first, final, box, run.turns)
            width, height = places[run.turns]
            if not (-1.0 <= left < width and right > -1.0 and run.base - run.size >= -1.0 and run.base < height + 1.0):
                layer.hidden += len(word)  # or not a number at all
                continue
            layer.characters += len(word)
            if run.bad:
                layer.bad += len(word)
            gap = left - x1
            if (
                words
                and run.turns == turns
                and abs(run.base - base) < 0.4 * max(size, run.size)
                and -0.5 * size < gap < (1.2 if run is last else 0.8) * size
            ):
                if start == end:
                    words[-1] += word
                else:
                    words.append(word)
                x1 = max(x1, right)
                if run.size > size:
                    size, base = run.size, run.base  # what came before it was raised or lowered
            else:
                if words:
                    kind = FixedLine if fixed_letters == letters else Line
                    self.add(kind, words, turns, x0, x1, base, size, 10 * bold_letters >= 9 * letters)
                words, x0, x1, size, base, turns = [word], left, right, run.size, run.base, run.turns
                bold_letters = fixed_letters = letters = 0
            letters += len(word)
            bold_letters += len(word) * run.bold
            fixed_letters += len(word) * run.fixed
            end, last = stop, run
        if words:
            kind = FixedLine if fixed_letters == letters else Line
            self.add(kind, words, turns, x0, x1, base, size, 10 * bold_letters >= 9 * letters)
        return layer

    def add(
        self, kind: type[Line], words: list[str], turns: int, x0: float, x1: float, base: float, size: float, bold: bool
    ) -> None:
        text, bad = clean(" ".join(words))
        self.layer.bad += bad
        if not text:
            return
        key = (text, turns, round(x0), round(base))
        if key in self.seen:  # drawn twice to look bold, or to have a shadow
            return
        self.seen.add(key)
        box = (x0, base - 0.8 * size, x1, base + 0.2 * size)
        self.layer.lines.setdefault(turns, []).append(kind(text, box, None, size, bold))

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
        return boxes[0][0], max(boxes[0][2], boxes[1][2])

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


def direction(a: float, b: float) -> int:
    """Quarter turns of text along (a, b), counted as `Frame.place` does; -1: it runs obliquely."""
    length = math.hypot(a, b)
    if not 0.0 < length < 1e9:
        return 0
    for turns, (x, y) in enumerate(((1, 0), (0, 1), (-1, 0), (0, -1))):
        if a * x + b * y > 0.985 * length:  # ten degrees: a scan's text layer may stand askew
            return turns
    return -1
