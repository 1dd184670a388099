"""Running headers, footers and page numbers: lines at a page's edge that its neighbours have at the same place.

A reader of pages in a row tells each page's lines to `Furniture.note`, and asks for those that are left with
`Furniture.without` once some pages behind it are noted, too. Only what is certain goes: three pages have it, nothing
but such lines is nearer to the edge, and it stands apart from the text, which a table's repeated head does not. What a
header says is kept where it is said first; page numbers, which the page's own mark repeats, never are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from spatz.inputs.lines import Line

__all__ = ["NEAR", "Furniture"]

NEAR = 16  # pages before and behind that are compared
SHARE = 0.14  # of a page's height, at either end
ROWS = 3  # at most, at either end
PAGES = 3  # that must have it
SAME_PLACE = 0.006  # of the height: 5 points of a page of A4
MAX_TEXTS = 20_000
NUMBER = r"(?P<number>\d{1,5}|[ivxlc]{1,8})"
OF = r"(?:\s*(?:of|von|/)\s*\d{1,5})?"
PAGE = r"(?:page|seite|p\.|s\.)"
ONLY_NUMBER = re.compile(rf"\W*{PAGE}?\W*{NUMBER}{OF}\W*", re.IGNORECASE)
NUMBER_LAST = re.compile(
    rf"(?P<rest>.*\S)\s*(?:[|\u2013\u2014\u2022\u00b7]|[-,(]?\s*\b{PAGE})\s*{NUMBER}{OF}\)?", re.IGNORECASE
)
NUMBER_FIRST = re.compile(rf"(?:{PAGE}\s*)?{NUMBER}{OF}\s*[|\u2013\u2014\u2022\u00b7]\s*(?P<rest>\S.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    page: int
    y: float  # share of the page's height
    number: int | None  # of the page, as it says


class Furniture:
    """Of one document, whose pages come in order."""

    def __init__(self) -> None:
        self.places: dict[tuple[bool, str], list[Place]] = defaultdict(list)
        self.said: set[str] = set()

    def note(self, page: int, lines: Sequence[Line], height: float) -> None:
        for at_top, rows in edges(lines, height):
            for row in rows:
                for line in row:
                    text, number = parted(line.text)
                    places = self.places[at_top, text]
                    places.append(Place(page, line.middle / height, number))
                    if len(places) > 6 * NEAR:
                        del places[: 2 * NEAR]
        if len(self.places) > MAX_TEXTS:  # no document has as many headers: most are lines that no other page has
            self.places = defaultdict(list, {key: places for key, places in self.places.items() if len(places) > 1})

    def without(self, page: int, lines: list[Line], height: float) -> list[Line]:
        """The lines that belong to the page itself. Pages are asked for in order."""
        gone: set[int] = set()
        for at_top, rows in edges(lines, height):
            depth = 0
            while depth < len(rows) and all(self.runs(page, at_top, line, height) for line in rows[depth]):
                depth += 1
            while depth and not (
                apart(rows, depth, at_top) or all(not parted(line.text)[0] for line in rows[depth - 1])
            ):
                depth -= 1
            gone |= {id(line) for row in rows[:depth] for line in row if self.heard(line)}
            if not depth and rows:  # a page's number stands beside the name of a chapter that has begun just now
                numbers = [line for line in rows[0] if not parted(line.text)[0]]
                gone |= {id(line) for line in numbers if self.runs(page, at_top, line, height)}
        if len(gone) == len(lines):
            return lines  # the page is what it says, again and again
        return [line for line in lines if id(line) not in gone] if gone else lines

    def heard(self, line: Line) -> bool:
        """Whether it says nothing new."""
        text, _ = parted(line.text)
        new = bool(text) and text not in self.said
        self.said.add(text)
        return not new

    def runs(self, page: int, at_top: bool, line: Line, height: float) -> bool:
        """Whether pages nearby have the same at the same place, with a number that counts them if with any."""
        y = line.middle / height
        text, number = parted(line.text)
        offset = None if number is None else number - page
        return (
            len(
                {
                    place.page
                    for place in self.places.get((at_top, text), ())
                    if abs(place.page - page) <= NEAR
                    and abs(place.y - y) < SAME_PLACE
                    and offset == (None if place.number is None else place.number - place.page)
                }
            )
            >= PAGES
        )


def edges(lines: Sequence[Line], height: float) -> list[tuple[bool, list[list[Line]]]]:
    """(is it the top, rows from the edge inwards, and one more than may be furniture) for both ends."""
    found = []
    for at_top in (True, False):
        limit = 2 * SHARE * height
        near = [line for line in lines if (line.middle if at_top else height - line.middle) < limit]
        near.sort(key=lambda line: line.middle if at_top else -line.middle)
        rows: list[list[Line]] = []
        for line in near:
            if rows and abs(rows[-1][0].middle - line.middle) < 0.5 * line.height:
                rows[-1].append(line)
            elif len(rows) > ROWS:
                break
            else:
                rows.append([line])
        found.append((at_top, rows))
    return found


def apart(rows: list[list[Line]], depth: int, at_top: bool) -> bool:
    """Whether there is more space behind the first `depth` rows than lines of a paragraph or a table have."""
    if depth >= len(rows):
        return True
    outer, inner = rows[depth - 1], rows[depth]
    if at_top:
        space = min(line.box[1] for line in inner) - max(line.box[3] for line in outer)
    else:
        space = min(line.box[1] for line in outer) - max(line.box[3] for line in inner)
    return space > 0.7 * max(line.height for line in outer)


def parted(text: str) -> tuple[str, int | None]:
    """What a header says, and the page's number in it. Other numbers belong to what it says: pages of invoices differ
    in nothing else."""
    if (found := ONLY_NUMBER.fullmatch(text)) is not None:
        return "", value(found["number"])
    if (found := NUMBER_LAST.fullmatch(text) or NUMBER_FIRST.fullmatch(text)) is not None:
        return found["rest"].rstrip("-,( "), value(found["number"])
    return text, None


def value(number: str) -> int:
    if number.isdecimal():
        return int(number)
    values = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[letter] for letter in number.lower()]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))
