"""Needles: sentences with a key and a value, hidden in a long text, and questions for the values.

After RULER's: "One of the special magic numbers for KEY is: VALUE.", and "What is the special magic number for KEY
mentioned in the text?". One needle a haystack is the strict form; with `share`, many are hidden in one text and each is
asked for on its own, so that the prompts begin alike and the text need not be read again for each.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from spatz.evals.case import Case, all_found, fraction
from spatz.evals.words import Words
from spatz.evals.writer import Writer

__all__ = ["Needles", "depths", "multi_cases", "single_cases"]

Value = Literal["number", "word", "sentence"]

_ANSWER = {"number": 64, "word": 64, "sentence": 96}  # tokens
_ANSWER_MANY = 128
_MANY = 4  # keys or values, as in RULER


@dataclass(frozen=True, slots=True)
class Needles:
    """How many, over how many depths, how many of them in one text, and with what seed."""

    count: int = 20
    depths: int = 10
    share: int = 1
    seed: int = 0


def depths(wanted: Needles, name: str) -> list[float]:
    """One for each needle: as many in each of the equal parts of the text, and anywhere within its part."""
    draw = random.Random(f"depths/{wanted.seed}/{name}")
    return [(index % wanted.depths + draw.random()) / wanted.depths for index in range(wanted.count)]


def single_cases(writer: Writer, length: int, wanted: Needles, value: Value = "number") -> Iterator[Case]:
    """One key, one value, one question, in a prompt that fills the length together with room for the answer."""
    at = depths(wanted, f"{value}/{length}")
    for first in range(0, len(at), wanted.share):
        group = at[first : first + wanted.share]
        name = f"needle/{value}/{wanted.seed}/{length}/{first}"
        words = Words(name)
        facts = [(depth, words.key(), _value(words, value)) for depth in group]
        hidden = [(depth, _fact(value, key, said)) for depth, key, said in facts]
        haystack = writer.haystack(name)
        questions = {key: _question(value, key) for _, key, _ in facts}
        longest = max(questions.values(), key=lambda text: writer.count(writer.conversation("", text)))

        document, count = writer.document(length - _ANSWER[value], haystack, hidden, longest)
        for depth, key, said in facts:
            yield Case(
                messages=writer.conversation(document, questions[key]),
                expected=(said,),
                score=all_found,
                max_tokens=_ANSWER[value],
                depth=depth,
                key=key,
                prefix=f"The special magic {value} for {key} mentioned in the text is",
                repeated=haystack.repeated(count),
            )


def multi_cases(writer: Writer, length: int, wanted: Needles, kind: Literal["key", "value", "query"]) -> Iterator[Case]:
    """Four keys of which one is asked for ("key"), four values of one key ("value"), or four keys that are asked for
    all at once ("query"). "key" scores 1 or 0, the others the part of the values that was found.
    """
    at = depths(wanted, f"multi_{kind}/{length}")
    for index, depth in enumerate(at):
        name = f"multi_{kind}/{wanted.seed}/{length}/{index}"
        words, draw = Words(name), random.Random(name)
        keys = [words.key()] * _MANY if kind == "value" else [words.key() for _ in range(_MANY)]
        values = [words.number() for _ in range(_MANY)]
        places = [depth, *(draw.random() for _ in range(_MANY - 1))]
        hidden = [(place, _fact("number", *pair)) for place, *pair in zip(places, keys, values, strict=True)]
        haystack = writer.haystack(name)
        question = _question("number", keys[0]) if kind == "key" else _question_all(sorted(set(keys)))

        document, count = writer.document(length - _ANSWER_MANY, haystack, hidden, question)
        asked = " and ".join(sorted(set(keys[:1] if kind == "key" else keys)))
        yield Case(
            messages=writer.conversation(document, question),
            expected=tuple(values[:1] if kind == "key" else values),
            score=all_found if kind == "key" else fraction,
            max_tokens=_ANSWER_MANY,
            depth=depth if kind == "key" else None,
            key=asked,
            prefix=f"The special magic number{'' if kind == 'key' else 's'} for {asked} mentioned in the text "
            f"{'is' if kind == 'key' else 'are'}",
            repeated=haystack.repeated(count),
        )


def _value(words: Words, value: Value) -> str:
    return {"number": words.number, "word": words.key, "sentence": words.sentence}[value]()


def _fact(value: Value, key: str, said: str) -> str:
    return f"One of the special magic {value}s for {key} is: {said}."


def _question(value: Value, key: str) -> str:
    return f"What is the special magic {value} for {key} mentioned in the text?"


def _question_all(keys: list[str]) -> str:
    named = keys[0] if len(keys) == 1 else f"{', '.join(keys[:-1])}, and {keys[-1]}"
    return f"What are all the special magic numbers for {named} mentioned in the text?"
