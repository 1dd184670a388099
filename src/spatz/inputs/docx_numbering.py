"""Numbers and bullets of a Word document's paragraphs, which are not in its text: "2.1", "a)", "-".

An answer that cites section 2.1 needs them. What a level looks like is in numbering.xml (ECMA-376 part 1, 17.9).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from spatz.inputs.xml_tree import Element, attribute, local, whole

__all__ = ["Numbering"]

MAX_LEVELS = 9


@dataclass(slots=True)
class _Level:
    style: str = "decimal"
    pattern: str = ""  # "%1.%2."
    start: int = 1


@dataclass(slots=True)
class Numbering:
    """Counts as the paragraphs come."""

    lists: dict[str, dict[int, _Level]] = field(default_factory=dict)  # numId -> levels
    shared: dict[str, str] = field(default_factory=dict)  # numId -> the counters' key
    _counts: dict[str, dict[int, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Element) -> Numbering:
        abstract: dict[str, dict[int, _Level]] = {}
        found = cls()
        for entry in root:
            name = local(entry)
            if name == "abstractNum":
                abstract[attribute(entry, "abstractNumId")] = _levels(entry)
            elif name == "num":
                key = attribute(entry, "numId")
                base = next((attribute(part, "val") for part in entry if local(part) == "abstractNumId"), "")
                own = [part for part in entry if local(part) == "lvlOverride"]
                found.lists[key] = abstract.get(base, {}) | {
                    level: value for part in own for level, value in _levels(part).items()
                }
                found.shared[key] = f"num {key}" if own else base
        return found

    def mark(self, key: str, level: int) -> str:
        """The number or bullet of the next paragraph of this list; "" for a paragraph without. level: from 0."""
        levels = self.lists.get(key)
        if levels is None or not 0 <= level < MAX_LEVELS:
            return ""
        shape = levels.get(level, _Level())
        if shape.style == "none":
            return ""
        if shape.style == "bullet":
            return "-"
        counts = self._counts.setdefault(self.shared[key], {})
        counts[level] = counts[level] + 1 if level in counts else shape.start
        for deeper in [other for other in counts if other > level]:
            del counts[deeper]

        def number(match: re.Match[str]) -> str:
            other = int(match[1]) - 1
            at = levels.get(other, _Level())
            return _spell(counts.get(other, at.start), at.style)

        return re.sub(r"%([1-9])", number, shape.pattern or f"%{level + 1}.").strip()


def _levels(element: Element) -> dict[int, _Level]:
    found = {}
    for entry in element:
        if local(entry) != "lvl":
            continue
        level = _Level()
        for part in entry:
            name = local(part)
            if name == "numFmt":
                level.style = attribute(part, "val")
            elif name == "lvlText":
                level.pattern = attribute(part, "val")[:50]
            elif name == "start":
                level.start = whole(attribute(part, "val"), 1)
        found[whole(attribute(entry, "ilvl"))] = level
    return found


def _spell(number: int, style: str) -> str:
    if style in ("lowerLetter", "upperLetter") and number > 0:
        letter = chr(ord("a") + (number - 1) % 26) * min(5, 1 + (number - 1) // 26)
        return letter if style == "lowerLetter" else letter.upper()
    if style in ("lowerRoman", "upperRoman") and 0 < number < 4_000:
        text = ""
        for value, letters in zip(
            (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
            "M CM D CD C XC L XL X IX V IV I".split(),  # noqa: SIM905
            strict=True,
        ):
            text += letters * (number // value)
            number %= value
        return text if style == "upperRoman" else text.lower()
    return f"{number:02d}" if style == "decimalZero" else str(number)
