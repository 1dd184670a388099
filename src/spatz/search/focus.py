"""Of passages, the few sentences that are to stand next to the question: a small model reads little else.

Asked by brief.py. A sentence is worth the question's words in it, by how rare they are among all sentences of the
passages. Where one passage says what is asked in several sentences (a list under a heading), it is taken as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log1p

from spatz.search.passage import Passage
from spatz.search.splitting import sentences
from spatz.search.words import counted, terms

__all__ = ["focus"]

MORE = 0.35  # of what is asked, that a further sentence must add to be shown, too
MOST = 3  # sentences
ALONE = 0.55  # of what its passage covers with its heading, that a sentence must cover to stand without the others
LENGTH = 600  # characters from which on a sentence is held against its length


@dataclass(frozen=True, slots=True)
class _Sentence:
    passage: int
    place: int  # among the passage's
    text: str


def focus(question: str, passages: Sequence[Passage], most: int) -> str:
    """One line of text, from the passages; most: characters of it. "" where none has a word of the question."""
    told = [
        _Sentence(number, place, text)
        for number, passage in enumerate(passages)
        for place, text in enumerate(_sentences(passage.body))
    ]
    wanted = terms(question)
    inside = counted([one.text for one in told], wanted)
    rarity = {
        term: term.weight * log1p((len(told) - len(inside[term]) + 0.5) / (len(inside[term]) + 0.5)) for term in wanted
    }
    whole = sum(rarity.values())
    left = dict(rarity)
    taken: list[int] = []
    while left and len(taken) < MOST:
        worth = [0.0] * len(told)
        for term, tells in left.items():
            for at, often in inside[term].items():
                worth[at] += tells * min(often, 1.0) / (1 + len(told[at].text) / LENGTH / 4)
        best = max(range(len(told)), key=lambda at: worth[at], default=None)
        if best is None or worth[best] <= (MORE * whole if taken else 0.0):
            break
        taken.append(best)
        left = {term: tells for term, tells in left.items() if best not in inside[term]}
    return " ".join(told[at].text for at in taken)[:most]


def _sentences(body: str) -> list[str]:
    return [line[start:end] for line in body.split("\n") for start, end in sentences(line)]
