"""A line of text with its place on a page: what a text layer and character recognition both give to the layout.

ocr.py makes lines from pixels and pdf_text.py from a text layer's characters; layout.py and tables.py put them into
order. Units are the maker's (pixels or points), with y growing downwards; everything behind is relative to `size`.
Nothing here reads or orders anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Box", "Line", "Rule", "Sheet", "bounds", "typical_size"]

Box = tuple[float, float, float, float]  # x0, y0, x1, y1


@dataclass(frozen=True, slots=True)
class Line:
    """A run of text on one baseline without a wide gap in it (more than about 1.2 sizes): the cells of a table's row
    and the lines of neighbouring columns are lines of their own. Split too much is mended by the layout; a line that
    runs through two columns is not."""

    text: str
    box: Box
    confidence: float | None = None  # 0..1 of what was recognised; None: it was read from a text layer
    size: float = 0.0  # height of the letters, as a font's size (ascender to descender); 0: the box's height
    bold: bool = False

    @property
    def height(self) -> float:
        return self.size or self.box[3] - self.box[1]

    @property
    def middle(self) -> float:
        """Of its height: lines of one row share it, whatever their ascenders are."""
        return (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True, slots=True)
class Rule:
    """A drawn straight line, or the side of a drawn box: x0 == x1 where it stands upright, y0 == y1 where it lies."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def upright(self) -> bool:
        return self.y1 - self.y0 > self.x1 - self.x0


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page's lines as they were found, in any order, with what was drawn between them."""

    width: float
    height: float
    lines: Sequence[Line]
    rules: Sequence[Rule] = ()


def bounds(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of them, of which there is at least one."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def typical_size(lines: Sequence[Line]) -> float:
    """The size of most of the text: the median over characters, not over lines, as headings are short. 0: no lines."""
    sizes = [line.height for line in lines for _ in range(max(1, len(line.text) // 4))]
    return median(sizes) if sizes else 0.0
