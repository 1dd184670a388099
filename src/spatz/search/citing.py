"""Citations for an answer while it is being written: after each sentence, the passages that support it.

Fed with what is told of the answer, piece by piece; gives what is cited as soon as it can be known. A sentence that
nothing supports is not cited. Where a whole sentence is not supported, a part of it may be ("..., and it is 40"). It
never changes the answer, and asks no model: what was measured of the model's own marks is in docs/log.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from spatz.search.citation import Citation
from spatz.search.claims import Claim, denied, joined, read
from spatz.search.passage import Passage
from spatz.search.sentences import Sentence, Sentences, sentences
from spatz.search.support import ENOUGH, FEW, Evidence, Need, Support

__all__ = ["Citer"]

MOST_PAGES = 3  # that are cited for one sentence
ALIKE = 0.9  # of the best one's support that another page must give to be cited beside it
ALONE = 0.8  # of a row or a block of code that must be found, and in one place
LONGEST_QUESTION = 2_000  # characters, of its end

CERTAIN = 0.85  # of a question that must be found where the answer is no more than yes or no

_YES = re.compile(r"(?:yes|yeah|yep|ja|oui|s\u00ed)\b", re.IGNORECASE)
_NO = re.compile(r"(?:no|nope|nein|non)\b", re.IGNORECASE)
# What neither of them answers.
_WHAT = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|why|how|or|"
    r"wer|wen|wem|was|welche[rsnm]?|wann|wo|woher|wohin|warum|wie|wieviele?|oder|"
    r"qui|que|quel(?:le)?s?|quand|o\u00f9|pourquoi|comment|combien|ou)\b",
    re.IGNORECASE,
)
_PART = re.compile(r"(?:;|,(?= (?:and|but|while|whereas|und|aber|während)\b)| [\u2013\u2014] )\s*")
_ASKS = ("?", "\uff1f", "\u061f")
_CLOSING = "\"'\u201d\u2019\u00bb)*_` "


class Citer:
    """Of one answer."""

    def __init__(self, passages: Sequence[Passage], question: str = "") -> None:
        """question: what is answered; an answer of few words is compared together with it."""
        self._passages = tuple(passages)
        question = question[-LONGEST_QUESTION:].strip()
        self._question = read(question)
        asks = [sentence.text for sentence in sentences(question) if sentence.text.endswith(_ASKS)]
        self._whether = read(asks[-1]) if asks and not _WHAT.search(asks[-1]) else None
        self._last: int | None = None  # the passage that was cited last
        self._sentences = Sentences()
        self._support: Support | None = None

    def feed(self, text: str) -> list[Citation]:
        return self._cited(self._sentences.feed(text))

    def end(self) -> list[Citation]:
        return self._cited(self._sentences.end())

    def _cited(self, found: Sequence[Sentence]) -> list[Citation]:
        if not found or not self._passages:
            return []
        if self._support is None:
            self._support = Support(self._passages)
        return [citation for sentence in found for citation in self._cite(sentence, self._support)]

    def _cite(self, sentence: Sentence, support: Support) -> Iterator[Citation]:
        if sentence.text.rstrip(_CLOSING).endswith(_ASKS):
            return
        topic = joined(self._question, read(sentence.lead)) if sentence.lead else self._question
        alone = sentence.kind in ("row", "code")
        need = Need(topic, ALONE if alone else ENOUGH, alone, self._last)
        claim = read(sentence.text)
        evidence = support.find(claim, need) if claim.words else self._bare(sentence)
        if evidence:
            yield from self._citations(sentence.start, sentence.end, evidence)
        elif sentence.kind in ("prose", "item") and sentence.end - sentence.start == len(sentence.text):
            for start, end in _parts(sentence.text):
                part = read(sentence.text[start:end], begins=start == 0)
                if _telling(part):
                    found = support.find(part, need)
                    yield from self._citations(sentence.start + start, sentence.start + end, found)

    def _bare(self, sentence: Sentence) -> list[Evidence]:
        """For an answer of yes or no: what says that what was asked is so, or is not."""
        if self._whether is None or self._support is None:
            return []
        need = Need(self._whether, CERTAIN)
        if _YES.match(sentence.text):
            return self._support.find(self._whether, need)
        if _NO.match(sentence.text):
            return self._support.find(denied(self._whether), need)
        return []

    def _citations(self, start: int, end: int, evidence: Sequence[Evidence]) -> Iterator[Citation]:
        """The best of each page."""
        seen: set[str] = set()
        self._last = evidence[0].passage if evidence else None
        for found in evidence:
            passage = self._passages[found.passage]
            if passage.page.url in seen or found.support < ALIKE * evidence[0].support:
                continue
            seen.add(passage.page.url)
            yield Citation(start, end, passage, round(found.support, 3))
            if len(seen) == MOST_PAGES:
                return


def _parts(text: str) -> list[tuple[int, int]]:
    """The clauses of a sentence that could stand alone; none where it is one."""
    cuts = [match.span() for match in _PART.finditer(text)]
    starts = [0, *(end for _, end in cuts)]
    ends = [*(start for start, _ in cuts), len(text)]
    return [*zip(starts, ends, strict=True)] if cuts else []


def _telling(part: Claim) -> bool:
    """Whether a clause says something without the others."""
    return len(part.words) >= FEW and any(word.kind != "word" for word in part.words)
