"""Facts of several wordings that are planted in real text, with what is asked for them and how an answer begins.

The kinds differ on purpose: a head that fetches only what follows "the special magic number" would be no find.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from spatz.evals.case import Message
from spatz.evals.words import Words
from spatz.evals.writer import Writer

__all__ = ["Fact", "Planted", "plant"]

ANSWER_TOKENS = 32  # a question's answer


@dataclass(frozen=True, slots=True)
class Fact:
    sentence: str
    question: str
    begun: str  # how the answer begins, up to the value
    value: str
    depth: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class Planted:
    """One text with its facts. The conversations differ in the question alone, at the end."""

    facts: tuple[Fact, ...]
    conversations: tuple[list[Message], ...]  # one for each fact


@dataclass(frozen=True, slots=True)
class _Wording:
    sentence: str
    question: str
    begun: str
    value: Callable[[Words], str]


def _magic(kind: str, value: Callable[[Words], str]) -> _Wording:
    return _Wording(
        f"One of the special magic {kind}s for KEY is: VALUE.",
        f"What is the special magic {kind} for KEY mentioned in the text?",
        f"The special magic {kind} for KEY mentioned in the text is",
        value,
    )


_WORDINGS = (
    _magic("number", Words.number),
    _Wording(
        "The access code of the KEY office is VALUE.",
        "What is the access code of the KEY office?",
        "The access code of the KEY office is",
        Words.number,
    ),
    _Wording(
        "The password of the KEY account is VALUE.",
        "What is the password of the KEY account?",
        "The password of the KEY account is",
        Words.code,
    ),
    _Wording(
        "The population of the town of KEY is VALUE.",
        "What is the population of the town of KEY?",
        "The population of the town of KEY is",
        Words.number,
    ),
    _Wording(
        "The name of the owner of the KEY shop is VALUE.",
        "What is the name of the owner of the KEY shop?",
        "The name of the owner of the KEY shop is",
        Words.name,
    ),
)


def plant(writer: Writer, size: int, count: int, seed: str, until: float = 1.0) -> Planted:
    """A prompt of `size` tokens with so many facts, of all wordings, spread over all depths up to `until`, a part of
    the text. Raises SpatzError.
    """
    draw, words = random.Random(seed), Words(seed)
    places = draw.sample(range(count), count)  # one fact in each part of the text, the wordings in no order
    facts = []
    for index in range(count):
        wording = _WORDINGS[index % len(_WORDINGS)]
        key, value = words.key(), wording.value(words)
        depth = until * (places[index] + draw.random()) / count
        sentence = wording.sentence.replace("KEY", key).replace("VALUE", value)
        question, begun = wording.question.replace("KEY", key), wording.begun.replace("KEY", key)
        facts.append(Fact(sentence, question, begun, value, depth))
    longest = max((fact.question for fact in facts), key=lambda text: writer.count(writer.conversation("", text)))
    document, _ = writer.document(size, writer.haystack(seed), list(_hidden(facts)), longest)
    return Planted(tuple(facts), tuple(writer.conversation(document, fact.question) for fact in facts))


def _hidden(facts: Sequence[Fact]) -> Iterator[tuple[float, str]]:
    for fact in facts:
        yield fact.depth, fact.sentence
