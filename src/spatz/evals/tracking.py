"""Variable tracking: a chain of assignments scattered over a text, and the question which variables have its value.

After RULER's: "VAR ABCDE = 12345", "VAR FGHIJ = VAR ABCDE", ... in order. The score is the part of the chain's names
that the answer has.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from spatz.evals.case import Case, fraction
from spatz.evals.needle import Needles
from spatz.evals.words import Words
from spatz.evals.writer import Writer

__all__ = ["tracking_cases"]

HOPS = 4
_ANSWER = 96  # tokens


def tracking_cases(writer: Writer, length: int, wanted: Needles) -> Iterator[Case]:
    for index in range(wanted.count):
        name = f"tracking/{wanted.seed}/{length}/{index}"
        words, draw = Words(name), random.Random(name)
        value = str(draw.randrange(10_000, 100_000))
        chain = [words.variable() for _ in range(HOPS + 1)]
        said = [f"VAR {chain[0]} = {value}."]
        said += [f"VAR {after} = VAR {before}." for before, after in pairwise(chain)]
        places = sorted(draw.random() for _ in said)
        hidden = list(zip(places, said, strict=True))
        haystack = writer.haystack(name)
        question = (
            f"Find all variables that are assigned the value {value} in the text above, directly or through another "
            f"variable. There are {len(chain)} of them. Name all of them."
        )

        document, count = writer.document(length - _ANSWER, haystack, hidden, question)
        yield Case(
            messages=writer.conversation(document, question),
            expected=tuple(chain),
            score=fraction,
            max_tokens=_ANSWER,
            key=value,
            prefix=f"The variables that are assigned the value {value} are:",
            repeated=haystack.repeated(count),
        )
