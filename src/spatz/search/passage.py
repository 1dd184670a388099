"""A part of a page, as the model is shown it."""

from __future__ import annotations

from dataclasses import dataclass

from spatz.search.page import Page

__all__ = ["Passage"]


@dataclass(frozen=True, slots=True)
class Passage:
    page: Page
    start: int  # characters [start, end) of the page's Markdown
    end: int
    text: str  # what is shown of it: with the heading that it stands under, one line's breaks put together
    score: float = 0.0  # how much it says to the question; passages of one ranking compare
    covers: float = 0.0  # 0..1, the part of what is asked, by rarity, whose words stand in it
    heading: str = ""  # that it stands under; the text begins with it, a colon and a line break then

    @property
    def body(self) -> str:
        """The text without its heading."""
        return self.text[len(self.heading) + 2 :] if self.heading else self.text
