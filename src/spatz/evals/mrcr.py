"""The k-th of several similar requests in a long conversation, after MRCR.

The user asks an assistant for notes again and again, some of them with the same words; the answers differ. Between
them they ask for passages, which are real text. At the end one of the notes is asked for by its number, to be repeated
behind a code. The score is how similar the answer is to that note, and 0 without the code.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from spatz.evals.case import Case, Message, similarity
from spatz.evals.needle import Needles
from spatz.evals.words import ADJECTIVES, NOUNS, Words
from spatz.evals.writer import Writer

__all__ = ["mrcr_cases"]

_ANSWER = 160  # tokens; a note has some 60
_SAME = 4  # requests with the same words
_OTHERS = 6  # notes about other things
_TURNS = 300  # passages at most, so that a template need not render thousands
_LEAST = 200  # tokens of a passage
_ORDINALS = ("first", "second", "third", "fourth")


def mrcr_cases(writer: Writer, length: int, wanted: Needles) -> Iterator[Case]:
    for index in range(wanted.count):
        name = f"mrcr/{wanted.seed}/{length}/{index}"
        words, draw = Words(name), random.Random(name)
        topic, *others = draw.sample(NOUNS, 1 + _OTHERS)
        notes = [(topic, _note(topic, draw)) for _ in range(_SAME)]
        notes += [(other, _note(other, draw)) for other in others]
        draw.shuffle(notes)
        same = [note for about, note in notes if about == topic]
        asked = index % _SAME
        code = words.code()
        places = sorted(draw.random() for _ in notes)
        haystack = writer.haystack(name)
        question = (
            f"Write the code {code} and behind it, word for word, the {_ORDINALS[asked]} short note about a {topic} "
            "that you wrote in this conversation. Write nothing else."
        )

        def make(count: int, haystack=haystack, places=places, notes=notes, question: str = question) -> list[Message]:  # type: ignore[no-untyped-def]
            passages = _passages(haystack.text(count), min(_TURNS, max(1, count // _LEAST)))
            return [*_conversation(passages, places, notes), {"role": "user", "content": question}]

        count, messages = writer.listing(length - _ANSWER, make, each=1)
        yield Case(
            messages=messages,
            expected=(code, same[asked]),
            score=similarity,
            max_tokens=_ANSWER,
            key=f"{_ORDINALS[asked]} {topic}",
            repeated=haystack.repeated(count),
        )


def _note(topic: str, draw: random.Random) -> str:
    pick = draw.choice
    return (
        f"The {topic} is {pick(ADJECTIVES)} and {pick(ADJECTIVES)}. It likes a {pick(ADJECTIVES)} {pick(NOUNS)} beside "
        f"a {pick(NOUNS)}. On Sundays it looks for a {pick(ADJECTIVES)} {pick(NOUNS)}, and in winter it keeps "
        f"{draw.randrange(2, 90)} {pick(NOUNS)}s in a {pick(ADJECTIVES)} {pick(NOUNS)}."
    )


def _passages(text: str, count: int) -> list[str]:
    size = -(-len(text) // count)
    return [text[start : start + size].strip() for start in range(0, len(text), size)]


def _conversation(
    passages: Sequence[str], places: Sequence[float], notes: Sequence[tuple[str, str]]
) -> Iterator[Message]:
    """Notes stand before the passage that begins at their place (0 to 1)."""
    waiting = list(zip(places, notes, strict=True))
    for number, passage in enumerate(passages):
        while waiting and waiting[0][0] <= number / len(passages):
            yield from _turn(*waiting.pop(0)[1])
        yield {"role": "user", "content": f"Give me passage {number + 1} of your papers."}
        yield {"role": "assistant", "content": passage or "That page is empty."}
    for _, note in waiting:
        yield from _turn(*note)


def _turn(topic: str, note: str) -> Iterator[Message]:
    yield {"role": "user", "content": f"Write a short note about a {topic}."}
    yield {"role": "assistant", "content": note}
