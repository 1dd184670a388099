"""A question as a query of the full-text index: which words count, what belongs together, what was meant.

Every word is an alternative: BM25 ranks what holds more of the rare ones first, and a question in natural language is
never refused for one word that no document has. Words that questions are made of count only where there are no others.
Names (snake_case, a.b.c, 3.11.2, CamelCase) are looked for as phrases beside their parts, and so are neighbours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from spatz.search.index.feeding import HUMP, folded, spaced

__all__ = ["Asked", "Vocabulary", "asked"]

MOST_CHARACTERS = 2_000  # of a question
MOST_WORDS = 24
MOST_FORMS = 4  # that an unknown word may have been meant for
MOST_ROWS = 6_000  # that are ranked: a microsecond each
MOST_ALTERNATIVES = 20  # that are ranked by; each is looked for in every row
LEAST_WORDS = 2

_NAME = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+|[._:/@+\\-]+[^\W_]+)*")
_WORD = re.compile(r"[^\W_]+")
_FRAME = frozenset(
    # What questions are made of whatever they are about, in English and the languages that are asked here beside it.
    # No noun is among them: "list", "number" and "name" are what a question may be about.
    re.findall(
        r"\w+",
        """
        a about all also am an and any are as at be been being between both by can could did do does done else for from
        get gets getting give given had happen happens has have having how i if in into is it its just let like made
        make makes many may me mean means more most much must my need needs not of on only or other our out over please
        say says shall should so some such tell than that the their them then there these they this those through to
        too under up us use used uses using very via want was we were what when where whether which while who whom
        whose why will with within work works would you your
        der die das den dem des ein eine einen einem einer und oder ist sind war waren wie was wer wo wann warum welche
        welcher welches für von mit zu zum zur im auf aus bei nicht ich man kann wird werden hat haben
        le la les du de un une et ou est sont que qui quoi comment pourquoi quand quel quelle dans pour avec sur
        el los las una y es son quien como cuando donde por para con del al
        """,
    )
)


class Vocabulary(Protocol):
    """The words that documents have."""

    def rows(self, phrase: str) -> int:
        """Parts of documents that have it."""

    def meant(self, word: str) -> list[str]:
        """What an unknown word may stand for, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Asked:
    match: str  # what FTS5 takes; "" where nothing can be looked for
    words: dict[str, int]  # that count, folded, and how many parts of documents have them


def asked(question: str, vocabulary: Vocabulary) -> Asked:
    text = spaced(unicodedata.normalize("NFKC", question[:MOST_CHARACTERS]))
    names = [_words(found[0]) for found in _NAME.finditer(text)]
    telling = [name for name in names if len(name) > 1 or (name and folded(name[0]) not in _FRAME)]
    names = telling or [name for name in names if name]
    words: dict[str, int] = {}
    for word in list(dict.fromkeys(folded(word) for name in names for word in name))[:MOST_WORDS]:
        forms = [word] if vocabulary.rows(word) else vocabulary.meant(word)[:MOST_FORMS]
        words |= {form: rows for form in forms if (rows := vocabulary.rows(form))}
    phrases = dict.fromkeys(list(_phrases(names, vocabulary))[:MOST_WORDS])
    chosen = _chosen(words | {phrase: rows for phrase in phrases if (rows := vocabulary.rows(phrase))})
    return Asked(" OR ".join('"' + one.replace('"', '""') + '"' for one in chosen), words)


def _chosen(alternatives: dict[str, int]) -> Iterator[str]:
    """The rarest, until they have so many rows together that ranking more would take too long.

    What is left out is in so many documents that it hardly tells one from the other.
    """
    total = 0
    for number, (alternative, rows) in enumerate(sorted(alternatives.items(), key=lambda item: item[1])):
        total += rows
        if number == MOST_ALTERNATIVES or (number >= LEAST_WORDS and total > MOST_ROWS):
            return
        yield alternative


def _words(name: str) -> list[str]:
    return _WORD.findall(re.sub("['\u2019].*", "", name))


def _phrases(names: list[list[str]], vocabulary: Vocabulary) -> Iterator[str]:
    """Words of one name, parts of one word, and neighbours."""
    for name in names:
        if len(name) > 1:
            yield folded(" ".join(name))
        for word in name:
            parts = HUMP.findall(word) if word.isascii() and not word.islower() and not word.isupper() else []
            if len(parts) > 1:
                yield folded(" ".join(parts))
    for one, two in pairwise(names):
        first, second = folded(one[-1]), folded(two[0])
        yield f"{first} {second}"
        if len(one) == len(two) == 1 and vocabulary.rows(first + second):
            yield first + second  # "file name" where documents say "filename"
