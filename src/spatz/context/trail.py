"""Trails of names: what is found for a question names other things, and what is said of those is found next.

Sits beside passages.py, for questions whose words stand in no passage together: "VAR B = VAR A" says nothing of the
value that is asked for, and "VAR A = 4711" is how one gets there. Names are what is written like one (`QX-4711`,
`parse_args`, `README`, `camelCase`, a year): other rare words lead anywhere. A name that is in many places leads
nowhere, and is not followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from spatz.context.passages import to_borders
from spatz.context.question import Question
from spatz.context.ranges import Range, places_within
from spatz.context.word_forms import WordForms
from spatz.context.word_search import WordSearch

__all__ = ["follow_names"]

HOPS = 8  # from the names of the question on
PLACES = 6  # besides those that are known, from which on a name is everywhere
NAMES = 64  # that are looked for; each is a search through the whole text
_LEAST = 3  # characters
_NAME = re.compile(rb"[0-9A-Za-z_\x80-\xff]+(?:[-.][0-9A-Za-z_]+)*")
_LIKE_A_NAME = re.compile(rb"[0-9_]|[a-z][A-Z]|^[A-Z]+$")


def follow_names(
    tokens: NDArray[np.int32], question: Question, search: WordSearch, forms: WordForms, most: int
) -> list[Range]:
    """At most `most` ranges of the question's long texts, nearest first, none overlapping another: where its names are,
    where the names are that stand there, and so on. None if that leads nowhere.
    """
    trail = _Trail(tokens, question, search, forms, most)
    near = trail.grow(question.asked[-1:])  # what else is asked may be the text's first line
    direct = len(near)
    for _ in range(HOPS):
        near = trail.grow(near)
        if not near:
            break
    return trail.found if len(trail.found) > direct else []


class _Trail:
    def __init__(
        self, tokens: NDArray[np.int32], question: Question, search: WordSearch, forms: WordForms, most: int
    ) -> None:
        self.found: list[Range] = []
        self._tokens = tokens
        self._long = question.long
        self._search = search
        self._forms = forms
        self._most = most
        self._known: set[bytes] = set()

    def grow(self, ranges: Iterable[Range]) -> list[Range]:
        """Add the places of the names in these ranges. What is new, the rarest names' places first."""
        hits = sorted((self._places(name) for name in self._new_names(ranges)), key=len)
        before = len(self.found)
        for places in hits:
            if len(places) > PLACES:
                break
            for place in places:
                if len(self.found) < self._most:
                    self._add(place)
        return self.found[before:]

    def _new_names(self, ranges: Iterable[Range]) -> list[bytes]:
        names: list[bytes] = []
        for start, end in ranges:
            for match in _NAME.finditer(self._forms.text(self._tokens[start:end])):
                name = match[0].lower()
                if len(name) < _LEAST or name in self._known or not _LIKE_A_NAME.search(match[0]):
                    continue
                if len(self._known) >= NAMES:
                    return names
                self._known.add(name)
                names.append(name)
        return names

    def _places(self, name: bytes) -> list[int]:
        places = places_within(self._search.find(name), self._long).tolist()
        return [place for place in places if not self._has(place)]

    def _has(self, place: int) -> bool:
        return any(start <= place < end for start, end in self.found)

    def _add(self, place: int) -> None:
        """The sentence or line around it, but for what is known of that."""
        if self._has(place):
            return
        home = next(span for span in self._long if span[0] <= place < span[1])
        start, end = to_borders(self._tokens, place, place + 1, home, self._forms)
        for other in self.found:
            if start < other[1] and other[0] < end:
                start, end = (other[1], end) if other[1] <= place else (start, other[0])
        self.found.append((start, end))
