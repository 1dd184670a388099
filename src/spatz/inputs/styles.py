"""As much of CSS as tells whether a person sees an element: declarations, simple selectors, lengths and colours.

Styles come from `style` attributes and from the rules of <style> elements whose selectors name tags, classes, ids and
attributes of the element itself. Style sheets in files of their own are not fetched, so what these hide is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from spatz.inputs.xml_tree import Element, local

__all__ = ["Color", "Declarations", "Sheet", "color", "declarations", "length"]

MAX_SHEET = 400_000  # characters of all <style> elements that are looked at
MAX_RULES = 5_000

Color = tuple[int, int, int]
Declarations = Mapping[str, str]

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_DECLARATION = re.compile(r"([a-z-]{2,40})\s*:\s*([^;]{1,400})")
_SIMPLE = re.compile(r"(?P<tag>[a-z][\w-]*|\*)?(?P<rest>(?:[.#][\w-]+|\[[\w-]+(?:\s*=\s*[\"']?[^\"'\]]*[\"']?)?\])*)")
_PART = re.compile(r"([.#])([\w-]+)|\[([\w-]+)(?:\s*=\s*[\"']?([^\"'\]]*)[\"']?)?\]")
_AROUND = re.compile(r"(?:(?:html|body|main|article|section|div|\*)\s*[\s>]\s*)+")
# A block of rules that hold on a screen of usual size.
_SEEN_BLOCK = re.compile(
    r"@(?:layer\b|supports\b|media\s+(?:only\s+)?(?:all|screen)\s*$|media[^{]*min-width\s*:\s*(?:\d{1,3}|1[01]\d\d)px\s*\)\s*$)"
)
_LENGTH = re.compile(r"([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}))\s*([a-z%]*)")
_PIXELS = {
    "": 1.0,
    "px": 1.0,
    "pt": 1.333,
    "em": 16.0,
    "rem": 16.0,
    "ex": 8.0,
    "ch": 8.0,
    "%": 10.0,
    "vw": 12.8,
    "vh": 8.0,
    "cm": 37.8,
    "mm": 3.78,
    "in": 96.0,
}
_FUNCTION = re.compile(r"(rgba?|hsla?)\(([^)]{1,80})\)")
_NAMES: dict[str, Color] = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245),
    "floralwhite": (255, 250, 240),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "navy": (0, 0, 128),
    "yellow": (255, 255, 0),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "lightgray": (211, 211, 211),
    "lightgrey": (211, 211, 211),
}


@lru_cache(maxsize=4_096)
def declarations(text: str) -> Declarations:
    """Of a style attribute or of a rule's body; the last of a name counts, and an important one before others."""
    found: dict[str, str] = {}
    important: dict[str, str] = {}
    for match in _DECLARATION.finditer(_COMMENT.sub("", text[:4_000]).lower()):
        value, mark, _ = match[2].partition("!")
        (important if mark else found)[match[1]] = value.strip()
    return found | important


@dataclass(frozen=True, slots=True)
class _Rule:
    tag: str
    classes: frozenset[str]
    ids: frozenset[str]
    attributes: tuple[tuple[str, str | None], ...]
    style: Declarations
    weight: tuple[int, int, int, int]  # ids, classes, tag, order

    def fits(self, element: Element, name: str, classes: frozenset[str]) -> bool:
        if (self.tag and self.tag != name) or not self.classes <= classes:
            return False
        if self.ids and self.ids != {element.get("id")}:
            return False
        return all(
            (given := element.get(key)) is not None and (value is None or given == value)
            for key, value in self.attributes
        )


@dataclass
class Sheet:
    """The rules of a page's own <style> elements."""

    _by_key: dict[str, list[_Rule]] = field(default_factory=dict)
    _count: int = 0
    paints_more: bool = False  # a rule that is not followed gives something a background

    @classmethod
    def of(cls, root: Element) -> Sheet:
        sheet = cls()
        left = MAX_SHEET
        for element in root.iter():
            if local(element) == "style" and left > 0:
                text = (element.text or "")[:left]
                left -= len(text)
                sheet.add(text)
        return sheet

    def add(self, text: str) -> None:
        for selectors, body in _rules(_COMMENT.sub("", text)):
            style = declarations(body)
            for selector in selectors.split(","):
                if self._count < MAX_RULES and style:
                    self._add(_AROUND.sub("", selector.strip(), count=1), style)

    def _add(self, selector: str, style: Declarations) -> None:
        match = _SIMPLE.fullmatch(selector)
        if not selector or match is None:
            self.paints_more = self.paints_more or any(name.startswith("background") for name in style)
            return
        classes: set[str] = set()
        ids: set[str] = set()
        attributes: list[tuple[str, str | None]] = []
        for part in _PART.finditer(match["rest"]):
            if part[1]:
                (classes if part[1] == "." else ids).add(part[2])
            else:
                attributes.append((part[3], part[4]))
        tag = (match["tag"] or "").lower().replace("*", "")
        self._count += 1
        weight = (len(ids), len(classes) + len(attributes), bool(tag), self._count)
        rule = _Rule(tag, frozenset(classes), frozenset(ids), tuple(attributes), style, weight)
        key = f"#{min(ids)}" if ids else f".{min(classes)}" if classes else tag
        self._by_key.setdefault(key, []).append(rule)

    def style(self, element: Element, name: str) -> Declarations:
        """What holds for an element, its own style attribute among it; what an ancestor passes on is not in it."""
        own = element.get("style")
        if not self._by_key:
            return declarations(own) if own else {}
        classes = frozenset((element.get("class") or "").split())
        keys = [name, "", f"#{element.get('id')}", *(f".{each}" for each in classes)]
        rules = [rule for key in keys for rule in self._by_key.get(key, ()) if rule.fits(element, name, classes)]
        if not rules:
            return declarations(own) if own else {}
        found: Declarations = {}
        for rule in sorted(rules, key=lambda rule: rule.weight):
            found = {**found, **rule.style}
        return {**found, **declarations(own)} if own else found


def _rules(text: str) -> Iterator[tuple[str, str]]:
    """(selectors, declarations) of what holds on a usual screen."""
    at = 0
    while (opens := text.find("{", at)) >= 0:
        head = (
            text[at:opens].rpartition("}")[2].rpartition(";")[2].strip().lower()
            if "@" in text[at:opens]
            else text[at:opens].strip("} \t\r\n")
        )
        if head.startswith("@"):
            at = opens + 1 if _SEEN_BLOCK.match(head) else _closed(text, opens)
            continue
        closes = text.find("}", opens)
        if closes < 0:
            return
        yield head, text[opens + 1 : closes]
        at = closes + 1


def _closed(text: str, opens: int) -> int:
    """Behind the brace that closes this one."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, opens):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.end()
    return len(text)


def length(value: str | None) -> float | None:
    """In pixels, about; None for what is none."""
    match = _LENGTH.match(value or "")
    return float(match[1]) * _PIXELS[match[2]] if match and match[2] in _PIXELS else None


@lru_cache(maxsize=1_024)
def color(value: str) -> Color | None:
    """None for what is not known. Raises nothing; "transparent" is none, too."""
    value = value.strip()
    if value in _NAMES:
        return _NAMES[value]
    if re.fullmatch(r"#[0-9a-f]{3,8}", value):
        digits = value[1:] if len(value) > 5 else "".join(digit * 2 for digit in value[1:4])
        return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6] or "0", 16)
    if match := _FUNCTION.match(value):
        parts = [part for part in re.split(r"[\s,/]+", match[2].strip()) if part]
        numbers = [found for part in parts[:3] if (found := _LENGTH.match(part))]
        if len(numbers) < 3:
            return None
        if match[1].startswith("rgb"):
            red, green, blue = (int(min(255.0, float(n[1]) * (2.55 if n[2] == "%" else 1))) for n in numbers)
            return max(0, red), max(0, green), max(0, blue)
        light = float(numbers[2][1])
        grey = int(2.55 * min(100.0, max(0.0, light)))
        return (grey, grey, grey) if float(numbers[1][1]) < 10 or light > 97 or light < 3 else None
    return None
