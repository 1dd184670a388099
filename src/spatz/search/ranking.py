"""Which passages of the pages that were read say most of what is asked: BM25 over stems, names as written, neighbours.

Sits between splitting.py and brief.py. How rare a word is, is counted over all passages of all pages; a word in a
heading or title counts for the passages under it, for less. What several pages have word for word is taken once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import log1p

from spatz.search.answering import answers
from spatz.search.page import Page
from spatz.search.passage import Passage
from spatz.search.splitting import sentences, split
from spatz.search.words import Term, counted, terms

__all__ = ["rank", "tells"]

K1 = 1.0  # BM25: how soon more of one word says no more
B = 0.4  # and how much long passages are held against
HEADED = 0.5  # of a word in a heading, as if it stood in the passage so often
TITLED = 0.35  # in the page's title
FEW = 3  # passages of one page, while others have any
SAME = 0.7  # of a passage's words that a better one has too, and it says nothing new
RUN = 5  # words in a row that are compared for that
MOST_PARTS = 4  # questions in one
LOOKED = 5  # passages in which an answer is looked for: what a model is shown of them
# What must stand in and around the best sentence. Of 100 questions whose answer was on the pages none was taken for
# one without; of 30 without one all were told. Over real manuals, of 77 questions with an answer in what is looked at
# 2 were taken for ones without, and of 90 that ask what the manuals do not tell of their subjects 77 were told (at
# 0.25: 1 and 68, at 0.4: 10 and 80). By the words of the question that a passage has, whatever it asks for: 9 and 58.
ENOUGH = 0.32


def rank(question: str, queries: Sequence[str], pages: Sequence[Page], *, most: int) -> list[Passage]:
    """The best at most `most` passages of the pages, best first, each with its score and what it covers.

    question: what is asked, in full (where it leans on the conversation: as it was rewritten). queries: what was
    searched for, whose words count for less. pages: in order of preference. Scores of one ranking can be compared.
    """
    wanted = terms(question, queries)
    passages = [_Ranked(page, wanted) for page in pages]
    count = sum(len(page.passages) for page in passages)
    rarity = {
        term: term.weight * log1p((count - found + 0.5) / (found + 0.5))
        for term in wanted
        for found in [sum(len(page.inside[term]) for page in passages)]
    }
    whole = sum(rarity.values()) or 1.0
    average = sum(len(passage.text) for page in passages for passage in page.passages) / max(count, 1)
    scored = [passage for page in passages for passage in page.scored(rarity, whole, average)]
    scored.sort(key=lambda passage: -passage.score)
    return list(_picked(scored, most))


def tells(question: str, passages: Sequence[Passage]) -> bool:
    """Whether any of the passages says something to the point; if not, the answer has to say that nothing was found.

    passages: of rank, for the same question. Where more than it is said, each question in it is tried, too.
    """
    parts = [question[start:end] for start, end in sentences(question)]
    asking = [part for part in parts if part.endswith("?")] if len(parts) > 1 else []
    found = (answers(part, passages[:LOOKED]) for part in (question, *asking[:MOST_PARTS]))
    return any(best[0].covers >= ENOUGH for best in found if best)


class _Ranked:
    """One page's passages, and which of them hold what is looked for."""

    def __init__(self, page: Page, wanted: Sequence[Term]) -> None:
        self.passages = split(page)
        self.inside = counted([passage.body for passage in self.passages], wanted)
        headings = list(dict.fromkeys(passage.heading for passage in self.passages))
        under = {heading: number for number, heading in enumerate(headings)}
        self._heading = [under[passage.heading] for passage in self.passages]
        self._headed = counted(headings, wanted)
        self._titled = counted([page.title], wanted)

    def scored(self, rarity: dict[Term, float], whole: float, average: float) -> Iterator[Passage]:
        scores = [0.0] * len(self.passages)
        covers = [0.0] * len(self.passages)
        for term, tells in rarity.items():
            inside, headed = self.inside[term], self._headed[term]
            titled = TITLED if self._titled[term] else 0.0
            for place in range(len(self.passages)) if headed or titled else inside:
                often = inside.get(place, 0.0) + titled + HEADED * headed.get(self._heading[place], 0.0)
                length = len(self.passages[place].text) / average
                scores[place] += tells * often * (K1 + 1) / (often + K1 * (1 - B + B * length))
                covers[place] += tells * min(often, 1.0)
        for passage, score, cover in zip(self.passages, scores, covers, strict=True):
            if score > 0.0:
                yield replace(passage, score=score, covers=cover / whole)


def _picked(scored: Sequence[Passage], most: int) -> Iterator[Passage]:
    """Best first, without repetitions; of one page only a few while there are others."""
    left = []
    seen: set[tuple[str, ...]] = set()
    counts: Counter[str] = Counter()
    taken = 0
    for passage in scored:
        if taken == most:
            return
        if counts[passage.page.url] >= FEW:
            left.append(passage)
        elif _new(passage, seen):
            counts[passage.page.url] += 1
            taken += 1
            yield passage
    for passage in left:
        if taken == most:
            return
        if _new(passage, seen):
            taken += 1
            yield passage


def _new(passage: Passage, seen: set[tuple[str, ...]]) -> bool:
    """Whether it says anything that has not been taken yet; then it counts as taken."""
    words = passage.text.lower().split()
    runs = {tuple(words[at : at + RUN]) for at in range(max(1, len(words) - RUN + 1))}
    if len(runs & seen) >= SAME * len(runs):
        return False
    seen |= runs
    return True
