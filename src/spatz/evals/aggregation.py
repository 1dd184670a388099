"""Aggregation: which three words are the most frequent in a long list of invented ones. All of it has to be read.

After RULER's frequent words: the k-th word comes in proportion to 1 / k^2, and dots stand between them as noise. The
score is the part of the three that the answer names. Modes that read only what a question is about may well fail here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from spatz.evals.case import Case, Message, fraction
from spatz.evals.needle import Needles
from spatz.evals.words import Words
from spatz.evals.writer import Writer

__all__ = ["aggregation_cases"]

_ANSWER = 64  # tokens
_KINDS = 200
_ASKED = 3
_POWER = 2.0
_QUESTION = (
    "The text above is a list of coded words. Ignore the dots. What are the three most frequently appeared words in "
    "it? Answer with these three words only."
)


def aggregation_cases(writer: Writer, length: int, wanted: Needles) -> Iterator[Case]:
    for index in range(wanted.count):
        name = f"aggregation/{wanted.seed}/{length}/{index}"
        words = Words(name)
        kinds = [words.code() for _ in range(_KINDS)]

        def make(count: int, name: str = name, kinds: list[str] = kinds) -> list[Message]:
            return writer.conversation(_coded(name, kinds, count), _QUESTION)

        _, messages = writer.listing(length - _ANSWER, make, each=5)
        yield Case(
            messages=messages,
            expected=tuple(kinds[:_ASKED]),
            score=fraction,
            max_tokens=_ANSWER,
            prefix="The three most frequently appeared words are:",
        )


def _coded(seed: str, kinds: list[str], count: int) -> str:
    """So many words, with the right number of each whatever the draw, in lines of ten."""
    weights = [1.0 / (rank + 1) ** _POWER for rank in range(len(kinds))]
    shares = [round(count * weight / sum(weights)) for weight in weights]
    # Among few words rounding could make two of the first ones equally frequent.
    for rank in range(_ASKED, 0, -1):
        shares[rank - 1] = max(shares[rank - 1], shares[rank] + 1)
    listed = [kind for kind, share in zip(kinds, shares, strict=True) for _ in range(share)]
    random.Random(seed).shuffle(listed)
    starts = [*range(0, len(listed), 10), len(listed)]
    return "\n".join(" ... ".join(listed[start:end]) for start, end in pairwise(starts))
