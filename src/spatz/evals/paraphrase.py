"""Paraphrased needles: a fact about somebody, and a question for their name that shares no rare word with it.

"NAME purchased a crimson automobile last spring." and "Who bought a red car?" What looks for the question's words in
the text cannot find the fact, so this shows what finding by words alone is worth. The names are unusual ones, drawn for
each text, so that they cannot be guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spatz.evals.case import Case, all_found
from spatz.evals.needle import Needles, depths
from spatz.evals.words import Words
from spatz.evals.writer import Writer

__all__ = ["Paraphrase", "paraphrase_cases", "paraphrases"]

_ANSWER = 64  # tokens
_ASK = "Answer from the text above: {question} Give the first name."


@dataclass(frozen=True, slots=True)
class Paraphrase:
    fact: str  # with {name}
    question: str


def paraphrases() -> list[Paraphrase]:
    data = json.loads(Path(__file__).with_name("paraphrase.json").read_text(encoding="utf-8"))
    return [Paraphrase(**item) for item in data["facts"]]


def paraphrase_cases(writer: Writer, length: int, wanted: Needles) -> Iterator[Case]:
    known = paraphrases()
    for index, depth in enumerate(depths(wanted, f"paraphrase/{length}")):
        name = f"paraphrase/{wanted.seed}/{length}/{index}"
        item = known[index % len(known)]
        haystack = writer.haystack(name)
        hay = haystack.text(length).casefold()
        words = Words(name)
        said = next(name for name in iter(words.name, "") if name.casefold() not in hay)
        hidden = [(depth, item.fact.format(name=said))]
        question = _ASK.format(question=item.question)

        document, count = writer.document(length - _ANSWER, haystack, hidden, question)
        yield Case(
            messages=writer.conversation(document, question),
            expected=(said,),
            score=all_found,
            max_tokens=_ANSWER,
            depth=depth,
            key=item.question,
            prefix="The first name is",
            repeated=haystack.repeated(count),
        )
