"""Takes out of a page's tree what a person who looks at the page does not see.

Used before anything is made of a page (html.py, epub.py), so that no library brings it back: elements that are not
shown, by an attribute, by their style or by what they are; text without size, without colour, in the colour of what it
stands on, or out of the window. What is only there for screen readers is not seen either. What a script or a style
sheet in a file of its own hides is not known here; text that is only faded in by an animation counts as seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from spatz.inputs.styles import Color, Declarations, Sheet, color, length
from spatz.inputs.xml_tree import Element, local

__all__ = ["remove_hidden"]

NEVER_SEEN = frozenset(
    {"annotation", "annotation-xml", "datalist", "noembed", "noframes", "noscript", "script", "style", "template"}
)
ALWAYS_SEEN = frozenset({"html", "body", "main", "head", "title"})  # a page whose body is hidden shows it in a moment
# The names by which the common frameworks hide what screen readers alone shall say.
FOR_SCREEN_READERS = frozenset(
    {
        "a-offscreen",
        "hidden-visually",
        "screen-reader-only",
        "screen-reader-text",
        "sr-only",
        "u-visually-hidden",
        "visually-hidden",
        "visuallyhidden",
    }
)
WHITE: Color = (255, 255, 255)
SMALLEST = 2.0  # pixels of a font that can be made out
FAINTEST = 0.05  # opacity
NEAREST = 20  # difference of two colours, of 255, that can be made out
OFF_SCREEN = -300.0  # pixels from the window's edge
SLID = -9_000.0

_MOVES = ("animation", "animation-name", "transition", "transition-property", "transform", "will-change")
_NUMBERS = re.compile(r"[+-]?\d*\.?\d+")
_ALPHA = re.compile(r"(?:rgba?|hsla?)\([^)]*[,/]\s*0?\.?0+%?\s*\)|#[0-9a-f]{6}00\b|#[0-9a-f]{3}0$|transparent$")
_TINY_FONT = re.compile(r"(?:[a-z]+\s+)*0(?:px|em|pt|%)?(?:/|\s)")
_SCALE = re.compile(r"scale(?:x|y|3d)?\(\s*0?\.?0*\s*[,)]")
_MOVED = re.compile(r"translate(?:x|y|3d)?\(\s*(?:[^,()]{1,20},\s*)?(-\d[\d.]*[a-z%]*)")


@dataclass(frozen=True, slots=True)
class _Look:
    """What an element passes on to what is in it."""

    ink: Color | None = None
    ground: Color | None = WHITE  # None: not known
    unseen: bool = False  # its text's colour is not there at all
    tiny: bool = False
    blank: bool = False  # visibility: hidden

    @property
    def shows(self) -> bool:
        alike = (
            self.ink and self.ground and max(abs(a - b) for a, b in zip(self.ink, self.ground, strict=True)) <= NEAREST
        )
        return not (self.tiny or self.blank or self.unseen or alike)


def remove_hidden(root: Element) -> bool:
    """In place. Whether text was among it."""
    sheet = Sheet.of(root)
    foreign = any(local(link) == "link" and "stylesheet" in (link.get("rel") or "").lower() for link in root.iter())
    lost = False
    gone: list[Element] = []
    plain = _Look()
    stack: list[tuple[Element, _Look]] = [(root, plain)]
    while stack:
        element, around = stack.pop()
        name = local(element)
        if not name:
            continue
        style = sheet.style(element, name)
        if name in NEVER_SEEN or (name not in ALWAYS_SEEN and _is_hidden(element, style)):
            gone.append(element)
            lost = lost or (name not in NEVER_SEEN and any(text.strip() for text in element.itertext()))
            continue
        look = _look(element, name, style, around, foreign, sheet.paints_more)
        shows = look is plain or name in ALWAYS_SEEN or look.shows
        if not shows and element.text and element.text.strip():
            element.text, lost = " ", True
        for child in element:
            stack.append((child, look))
            if not shows and child.tail and child.tail.strip():
                child.tail, lost = " ", True
    for element in gone:
        _remove(element)
    return lost


def _is_hidden(element: Element, style: Declarations) -> bool:
    if element.get("hidden") is not None:
        return True
    if (classes := element.get("class")) and not FOR_SCREEN_READERS.isdisjoint(classes.split()):
        return True
    return bool(style) and _not_shown(style)


def _not_shown(style: Declarations) -> bool:
    """By its own style alone, with all that is in it."""
    if style.get("display", "") == "none" or style.get("content-visibility") == "hidden":
        return True
    faded = (opacity := length(style.get("opacity"))) is not None and opacity <= FAINTEST
    if (faded or "opacity(0" in style.get("filter", "")) and not any(name in style for name in _MOVES):
        return True
    return _off_screen(style) or _clipped(style)


def _off_screen(style: Declarations) -> bool:
    if (position := style.get("position")) in ("absolute", "fixed", "relative"):
        # What slides pictures past a window moves all of them by some windows' width.
        far = SLID if position == "relative" else OFF_SCREEN
        for side in ("left", "right", "top", "bottom"):
            if (distance := length(style.get(side))) is not None and distance <= far:
                return True
    for name in ("text-indent", "margin-left", "margin-top", "margin"):
        if (distance := length(style.get(name))) is not None and distance <= OFF_SCREEN:
            return True
    if style.get("text-indent", "").startswith("100%") and "hidden" in style.get("overflow", ""):
        return True
    transform = style.get("transform", "")
    if _SCALE.search(transform):
        return "transition" not in style and "animation" not in style
    moved = _MOVED.search(transform)
    return moved is not None and (length(moved[1]) or 0) <= SLID


def _clipped(style: Declarations) -> bool:
    clip = style.get("clip", "")
    if clip.startswith("rect") and all(abs(float(number)) <= 1 for number in _NUMBERS.findall(clip)):
        return True
    if _cut_away(style.get("clip-path", "")):
        return True
    if not {"hidden", "clip"} & set(style.get("overflow", "").split()):
        return False
    sizes = (length(style.get(name)) for name in ("height", "width", "max-height", "max-width"))
    return any(size is not None and size <= 1 for size in sizes) and not any(name in style for name in _MOVES)


def _cut_away(path: str) -> bool:
    numbers = [float(number) for number in _NUMBERS.findall(path)]
    if not numbers:
        return False
    return numbers[0] >= 50 if path.startswith("inset") else not any(numbers)


def _look(element: Element, name: str, style: Declarations, around: _Look, foreign: bool, painted: bool) -> _Look:
    changed: dict[str, object] = {}
    if around.ground is not None and name not in ALWAYS_SEEN:
        named = foreign and (element.get("class") or element.get("id"))
        if painted or named:  # by a selector that is not followed, or by a sheet that is not known
            changed["ground"] = None
    ground = style.get("background-color") or style.get("background") or (element.get("bgcolor") or "").lower()
    if ground and not ground.startswith(("transparent", "none", "inherit", "initial", "unset")):
        found = color(ground)
        changed["ground"] = found if found or "(" in ground else color(ground.split()[0])
        if "url(" in ground or "gradient" in ground:
            changed["ground"] = None
    if "background-image" in style and style["background-image"] != "none":
        changed["ground"] = None
    ink = (
        style.get("-webkit-text-fill-color")
        or style.get("color")
        or ((element.get("color") or "").lower() if name == "font" else "")
    )
    if ink:
        changed["ink"] = color(ink)
        clipped = "text" in style.get("background-clip", "") + style.get("-webkit-background-clip", "")
        changed["unseen"] = bool(_ALPHA.match(ink)) and not clipped
    if "font-size" in style or "font" in style:
        size = length(style.get("font-size"))
        changed["tiny"] = (size is not None and size < SMALLEST) or bool(_TINY_FONT.match(style.get("font", "")))
    elif around.tiny and element.get("class"):
        changed["tiny"] = False  # the usual trick against gaps: what is in it has a size again, by some rule
    if visibility := style.get("visibility"):
        moves = any(move in style for move in _MOVES)
        changed["blank"] = visibility in ("hidden", "collapse") and not moves
    return replace(around, **changed) if changed else around  # type: ignore[arg-type]


def _remove(element: Element) -> None:
    """With all that is in it; the text behind it stays."""
    parent = element.getparent()
    if parent is None:
        return
    if tail := element.tail:
        before = element.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
    parent.remove(element)
