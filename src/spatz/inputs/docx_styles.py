"""Which paragraphs of a Word document are headings, and which belong to a list because of their style."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from spatz.inputs.xml_tree import Element, attribute, local, whole

__all__ = ["Style", "Styles", "paragraph_style"]

MAX_CHAIN = 20
_HEADING = re.compile(r"(?:heading|überschrift|titre) ?([1-9])", re.IGNORECASE)


@dataclass(slots=True)
class Style:
    based_on: str = ""
    heading: int = 0  # 1..9; 0: none
    numbering: str = ""  # numId
    level: int = -1  # of the list


@dataclass(slots=True)
class Styles:
    by_id: dict[str, Style] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Element) -> Styles:
        found = cls()
        for entry in root:
            if local(entry) != "style" or attribute(entry, "type") not in ("paragraph", ""):
                continue
            style = Style()
            for part in entry:
                name = local(part)
                if name == "name":
                    style.heading = _named(attribute(part, "val")) or style.heading
                elif name == "basedOn":
                    style.based_on = attribute(part, "val")
                elif name == "pPr":
                    own = paragraph_style(part)
                    style.heading = style.heading or own.heading
                    style.numbering, style.level = own.numbering, own.level
            found.by_id[attribute(entry, "styleId")] = style
        return found

    def resolve(self, name: str, own: Style) -> Style:
        """What a paragraph says of itself, then its style, then what that is based on."""
        resolved = Style(heading=own.heading, numbering=own.numbering, level=own.level)
        if name and name not in self.by_id:
            resolved.heading = resolved.heading or _named(re.sub(r"(?<=[a-z])(?=\d$)", " ", name))
        for _ in range(MAX_CHAIN):
            style = self.by_id.get(name)
            if style is None:
                break
            resolved.heading = resolved.heading or style.heading
            resolved.numbering = resolved.numbering or style.numbering
            if resolved.level < 0:
                resolved.level = style.level
            name = style.based_on
        return resolved


def paragraph_style(properties: Element) -> Style:
    """What a w:pPr says."""
    style = Style()
    for part in properties:
        name = local(part)
        if name == "outlineLvl":
            level = whole(attribute(part, "val"), 9)
            style.heading = level + 1 if level < 9 else 0
        elif name == "numPr":
            for value in part:
                if local(value) == "numId":
                    style.numbering = attribute(value, "val")
                elif local(value) == "ilvl":
                    style.level = whole(attribute(value, "val"))
    return style


def _named(name: str) -> int:
    if name.lower() in ("title", "titel"):
        return 1
    match = _HEADING.fullmatch(name)
    return int(match[1]) if match else 0
