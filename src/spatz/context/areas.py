"""Which tokens of a prompt belong to what: the places of the messages' parts, as the long-context modes see them.

Made above, from the spans that prompt.build knows; read by what looks for the question in a long prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Area", "Kind"]

Kind = Literal["instruction", "document"]


@dataclass(frozen=True, slots=True)
class Area:
    """Tokens start to end - 1 hold one part of a message. kind "document": known to hold no instructions."""

    start: int
    end: int
    kind: Kind = "instruction"
    role: str = "user"
    source: int | None = None  # of what was read of an image or a file: which of the turn's it is

    @property
    def size(self) -> int:
        return self.end - self.start
