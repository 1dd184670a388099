"""What the model is shown of the passages: numbered and delimited before the question, the best sentence beside it.

Sits between ranking.py and the turn: `put` gives the messages with the passages in them. They come as an exchange of
their own before the user's last message, best last, and in that message what says most to the question comes once more:
what else stands near a question misleads a small model, and a message's border keeps it off. Measured with the embedded
model over 50 questions, to each of which another page has the same sentence with another name and another value:

| passages | beside the question | told to | right |
| --- | --- | --- | --- |
| in the question's message | nothing | nothing | 32 % |
| in the question's message | the best sentence | answer with its words | 80 % |
| in the system's, or a message of their own | the best sentence | answer with its words | 90 % |
| in a message of their own, best last | the best sentence | answer in a full sentence, copied | 92 % |
| in a message of their own, best last | the best sentence | copy the sentence that answers | 96 % |
| in a message of their own | nothing; the model's message ends with it | answer with its words | 74 % |

Text of pages is data: parts of kind "document", in which nothing can end a passage or begin another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spatz.search.answering import answers
from spatz.search.focus import focus
from spatz.search.passage import Passage

__all__ = ["Brief", "Size", "brief"]

Size = Literal["low", "medium", "high"]

TOKENS: dict[Size, int] = {"low": 400, "medium": 1_000, "high": 2_500}
PASSAGES: dict[Size, int] = {"low": 2, "medium": 5, "high": 12}
FRAME = 64  # tokens of the template's and our own words around them
MOST = 3  # sentences that stand beside the question
# Of the best one's worth. With all three, a sentence that says the same of another name is taken in 20 of 100 answers.
ALIKE = 0.8
FOCUS = 600  # characters that stand beside the question
TITLE = 120  # characters of a page's title that are shown

ROLE = "You answer questions with what the text says, in its own words."
INTRODUCTION = "Pages of the web:"
READ = "I have read the pages."
RULE = "Copy the sentence of the text that answers the question."

_NUMBER = re.compile(r"\[(\d{1,3})\]")
_BLANK = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Brief:
    before: str  # the numbered passages, best last; data ("document"), never instructions
    focus: str  # what of them is said again beside the question; "" for nothing
    passages: tuple[Passage, ...]  # that are shown; the one with the number 1 is the first
    tokens: int  # that it adds to the prompt
    quotes: tuple[str, ...] = ()  # the focus's sentences, as far as they are whole

    def put(self, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The conversation with this in it. What was said in it stays as it was, word for word."""
        last = max(place for place, message in enumerate(messages) if message["role"] == "user")
        content = messages[last]["content"]
        said = [_text(content)] if isinstance(content, str) else list(content)
        earlier = [dict(message) for message in messages[:last]]
        if not any(message["role"] in ("system", "developer") for message in earlier):
            earlier.insert(0, {"role": "system", "content": ROLE})
        shown = [_text(INTRODUCTION), {"type": "text", "text": self.before, "kind": "document"}]
        asked = said
        if self.focus:
            beside = [_text("Text:"), {"type": "text", "text": self.focus, "kind": "document"}]
            asked = [*beside, _text("\nQuestion:"), *said, _text(RULE)]
        exchange: list[dict[str, Any]] = []
        if self.before:
            exchange = [{"role": "user", "content": shown}, {"role": "assistant", "content": READ}]
        return [
            *earlier,
            *exchange,
            {**messages[last], "content": asked},
            *(dict(message) for message in messages[last + 1 :]),
        ]


def brief(passages: Sequence[Passage], question: str, *, size: Size, count: Callable[[str], int], room: int) -> Brief:
    """passages: as ranked, best first. question: in full, as for rank. count: how many tokens a text has. room: tokens
    that the brief may take, whatever the size allows. Passages that do not fit are left out; where none does, as much
    of the best one is shown as fits.
    """
    most = min(TOKENS[size], room)
    chosen = passages[: PASSAGES[size]]
    told = [_harmless(sentence) for sentence in _telling(question, chosen)]
    beside = " ".join(told)[:FOCUS].rstrip()
    left = most - FRAME - count(beside)
    shown: list[Passage] = []
    texts: list[str] = []
    for passage in chosen:
        text = _framed(passage, len(shown) + 1)
        cost = count(text) + 1
        if cost <= left:
            left -= cost
            shown.append(passage)
            texts.append(text)
    if chosen and not shown:
        # There is room for hardly more than one sentence.
        best = chosen[0]
        beside = _harmless(" ".join(_telling(question, [best])) or best.body)[:FOCUS]
        while beside and FRAME + count(beside) > most:
            beside = beside[: len(beside) * 3 // 4]
        shown, left = [best], most - FRAME - count(beside)
    quotes = tuple(sentence for sentence in told if sentence and sentence in beside)
    return Brief("\n\n".join(reversed(texts)), beside, tuple(shown), most - left, quotes)


def _telling(question: str, passages: Sequence[Passage]) -> list[str]:
    """The sentences that may be the answer, as far as they are about as good as the best one; else what says most."""
    found = answers(question, passages)[:MOST]
    return [one.text for one in found if one.covers >= ALIKE * found[0].covers] or focus(question, passages)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _framed(passage: Passage, number: int) -> str:
    title = " ".join(passage.page.title.split())[:TITLE]
    return f"[{number}] {_harmless(title)}\n{_harmless(passage.text)}"


def _harmless(text: str) -> str:
    """Without what could end a passage or pass for the number of another."""
    return _BLANK.sub("\n", _NUMBER.sub(r"(\1)", text)).strip()
