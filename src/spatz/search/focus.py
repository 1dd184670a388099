"""Of passages, the few sentences that are to stand next to the question: a small model reads little else.

Asked by brief.py. A sentence is worth the question's words in it, by how rare they are among all sentences of the
passages; where what is asked stands in several sentences (two questions in one), each that adds much to it is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log1p

from spatz.search.passage import Passage
from spatz.search.splitting import sentences
from spatz.search.words import counted, terms

__all__ = ["focus"]

MORE = 0.35  # of what is asked, that a further sentence must add to be shown, too
MOST = 3  # sentences
LENGTH = 2_400  # characters of a sentence that halve its worth


def focus(question: str, passages: Sequence[Passage]) -> list[str]:
    """Of the passages' sentences, at most three, the most telling first; none where none has a word of the question."""
    told = [sentence for passage in passages for sentence in _sentences(passage.body)]
    wanted = terms(question)
    inside = counted(told, wanted)
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
                worth[at] += tells * min(often, 1.0) / (1 + len(told[at]) / LENGTH)
        best = max(range(len(told)), key=lambda at: worth[at], default=None)
        if best is None or worth[best] <= (MORE * whole if taken else 0.0):
            break
        taken.append(best)
        left = {term: tells for term, tells in left.items() if best not in inside[term]}
    return [told[at] for at in taken]


def _sentences(body: str) -> list[str]:
    return [line[start:end] for line in body.split("\n") for start, end in sentences(line)]
