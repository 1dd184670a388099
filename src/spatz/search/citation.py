"""Where in an answer a page is cited."""

from __future__ import annotations

from dataclasses import dataclass

from spatz.search.passage import Passage

__all__ = ["Citation"]


@dataclass(frozen=True, slots=True)
class Citation:
    start: int  # characters (code points) [start, end) of the answer's text: what the passage supports
    end: int
    passage: Passage
    support: float = 1.0  # 0..1, how much of it stands there
