"""Where a text speaks to a model instead of its readers: the rules of all languages over one text.

Knows nothing of how a text is written (disguise.py folds it) and leaves nothing out (care.py does).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spatz.search import orders_english, orders_french, orders_german, orders_others, orders_spanish
from spatz.search.order_rule import Rule

__all__ = ["Words", "matches", "windows"]

BEFORE = 160  # characters around a rare piece that a rule looks at
BEHIND = 280
_MARKS = ".,;:!?()[]'\"-"
_LETTER = re.compile(r"\w")
# A language's rules, and words of which a text in it has two at least.
LANGUAGES: tuple[tuple[frozenset[str], tuple[Rule, ...]], ...] = (
    (frozenset(), orders_english.RULES),
    (orders_german.USUAL, orders_german.RULES),
    (orders_french.USUAL, orders_french.RULES),
    (orders_spanish.USUAL, orders_spanish.RULES),
    (frozenset(), orders_others.RULES),
)
_WORDS = frozenset(word for _, rules in LANGUAGES for rule in rules for parts in rule.words for word in parts)


@dataclass(frozen=True, slots=True)
class Words:
    """Of a text, each once, between spaces."""

    each: frozenset[str]
    joined: str

    @classmethod
    def of(cls, folded: str) -> Words:
        each = set(folded.split())
        each |= {word.strip(_MARKS) for word in each}
        return cls(frozenset(each), " ".join(each))


def matches(folded: str, words: Words) -> Iterator[tuple[int, int, bool]]:
    """Where a folded text speaks to a model: start and end, and whether the rest of the paragraph does so, too.

    words: the text's own: what is not among them need not be looked for.
    """
    known = {word: word in words.joined for word in _WORDS}
    places: dict[str, list[int]] = {}
    for usual, rules in LANGUAGES:
        if len(usual & words.each) < min(2, len(usual)):
            continue
        for rule in rules:
            pieces = [
                piece
                for piece, parts in zip(rule.pieces, rule.words, strict=True)
                if all(map(known.__getitem__, parts))
            ]
            for start, end in windows(folded, pieces, places) if pieces else ():
                for found in rule.pattern.finditer(folded, start, end):
                    first = _LETTER.search(folded, *found.span())  # not the space behind the sentence before
                    yield first.start() if first else found.start(), found.end(), rule.rest


def windows(text: str, pieces: Iterable[str], known: dict[str, list[int]] | None = None) -> list[tuple[int, int]]:
    """Stretches around the pieces, disjoint, none over a blank line. known: places of pieces found before; added to."""
    known = {} if known is None else known
    for piece in pieces:
        if piece not in known:
            known[piece] = _places(text, piece)
    merged: list[tuple[int, int]] = []
    for place in sorted(place for piece in pieces for place in known[piece]):
        start = max(0, place - BEFORE)
        gap = text.rfind("\n\n", start, place)
        start = gap + 2 if gap >= 0 else start
        end = place + BEHIND
        gap = text.find("\n\n", place, end)
        end = gap if gap >= 0 else min(len(text), end)
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _places(text: str, piece: str) -> list[int]:
    found = []
    place = text.find(piece)
    while place >= 0:
        found.append(place)
        place = text.find(piece, place + len(piece))
    return found
