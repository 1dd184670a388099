"""What the model is shown of the passages: numbered, delimited, as short as the size wants, around the question.

Sits between ranking.py and the turn: `put` gives the messages with the passages in them. Text of pages is data: parts
of kind "document", in which nothing can end a passage or begin another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spatz.search.passage import Passage

__all__ = ["Brief", "Size", "brief"]

Size = Literal["low", "medium", "high"]

TOKENS: dict[Size, int] = {"low": 400, "medium": 1_000, "high": 2_500}


@dataclass(frozen=True, slots=True)
class Brief:
    before: str  # text of pages that stands before what the user says; data ("document"), never instructions
    after: str  # what stands behind it: how to answer, in our words; "" for nothing
    passages: tuple[Passage, ...]  # that are shown; the one with the number 1 is the first
    tokens: int  # that both texts come to

    def put(self, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The conversation with this in its last message of the user. What was said stays as it was, word for word."""
        last = max(place for place, message in enumerate(messages) if message["role"] == "user")
        content = messages[last]["content"]
        said = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        parts = [{"type": "text", "text": self.before, "kind": "document"}, *said]
        if self.after:
            parts.append({"type": "text", "text": self.after})
        return [
            {**message, "content": parts} if place == last else dict(message) for place, message in enumerate(messages)
        ]


def brief(passages: Sequence[Passage], question: str, *, size: Size, count: Callable[[str], int], room: int) -> Brief:
    """passages: as ranked, best first. question: in full, as for rank. count: how many tokens a text has. room: tokens
    that the brief may take, whatever the size allows. Passages that do not fit are left out, worst first.
    """
    most = min(TOKENS[size], room)
    shown: list[Passage] = []
    text = ""
    for passage in passages:
        more = "\n\n".join(_framed(one, number) for number, one in enumerate([*shown, passage], 1))
        if count(more) > most:
            break
        shown.append(passage)
        text = more
    after = ""
    return Brief(text, after, tuple(shown), count(text) + count(after))


def _framed(passage: Passage, number: int) -> str:
    return f"[{number}] {passage.page.title}\n{passage.text}"
