"""What a request's images and files became and cost, as its usage tells: one object each, in their order.

Made when the prompt is made, of the turn and of the prompt's areas; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from spatz.context.areas import Area
from spatz.inputs.document import Document
from spatz.prompt.turn import Turn

__all__ = ["InputUse", "input_uses"]


@dataclass(frozen=True, slots=True)
class InputUse:
    param: str
    document: Document
    tokens: int  # of the prompt

    @property
    def is_image(self) -> bool:
        return self.document.kind == "image"

    def body(self) -> dict[str, Any]:
        found = self.document
        return {
            "param": self.param,
            "kind": found.kind,
            "tokens": self.tokens,
            "pages": found.pages,
            "read_pages": found.read_pages,
            "pictures": found.pictures,
            "confidence": None if found.confidence is None else round(found.confidence, 4),
            "notes": [{"code": note.code, "message": note.message} for note in found.notes],
        }


def input_uses(turn: Turn, areas: Sequence[Area]) -> tuple[InputUse, ...]:
    """areas: of the prompt that was made of the turn."""
    tokens = [0] * len(turn.inputs)
    for area in areas:
        if area.source is not None:
            tokens[area.source] += area.size
    # Without the document's text, which may be large and is in the prompt already.
    return tuple(
        InputUse(found.param, replace(found.document, markdown=""), count)
        for found, count in zip(turn.inputs, tokens, strict=True)
    )
