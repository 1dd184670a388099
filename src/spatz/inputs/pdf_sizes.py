"""Which size of letters is a document's text, and which are its headings: over all pages that were read so far.

A heading is then of the same level on every page. What a size becomes is paragraphs.py's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from spatz.inputs.lines import Line
from spatz.inputs.paragraphs import Style, style_of

__all__ = ["Sizes"]

STEPS = 4  # to a point
SEEN = 2  # lines of a size that make it a heading's, in a document of many
MANY = 300


class Sizes:
    def __init__(self) -> None:
        self.letters: Counter[int] = Counter()  # by size in quarters of a point
        self.lines: Counter[int] = Counter()
        self._style: Style | None = None

    def note(self, lines: Iterable[Line]) -> None:
        for line in lines:
            size = round(line.height * STEPS)
            self.letters[size] += len(line.text)
            self.lines[size] += 1
        self._style = None

    def style(self) -> Style:
        if self._style is None:
            body = self.letters.most_common(1)[0][0] / STEPS if self.letters else 0.0
            least = SEEN if self.lines.total() > MANY else 1
            self._style = style_of(body, [size / STEPS for size, count in self.lines.items() if count >= least])
        return self._style
