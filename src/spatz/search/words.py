"""What a question looks for: its words and names, the forms that they may take in a text, and where they stand there.

Nothing here is tied to one language but the endings: a word is found in its other forms ("licensed" for "licence") by a
stem, and in what begins like it at a lower weight. What is written like a name of a program, an option, a version or a
number is looked for as it is written.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from spatz.context.asking import is_frame

__all__ = ["Term", "counted", "folded", "places", "stem", "terms"]

MOST_TERMS = 32  # of a question; each is a search through all pages
MOST_PLACES = 4_000  # in one page; a word that is everywhere tells nothing
ALIKE = 0.4  # weight of a word that only begins like the one that is looked for
NAME = 1.6  # weight of what is looked for as it is written
NAMED = 1.5  # of a word with a capital letter
PAIR = 0.7  # weight of two words that stand side by side in the question and in the text
FRAME = 0.08  # weight of the words that questions are made of
OTHER = 0.5  # weight of a word that stands in the queries and not in the question
NEAR = 40  # characters within which two words stand side by side
LEAST = 4  # letters that two words must begin with alike

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
# Joined by what joins parts of one name, or with digits in it: as_completed, read-only, v2.3.1, --max-size, C++.
_NAME = re.compile(
    r"-{0,2}[^\W_]{1,80}(?:[._/:@+-]+[^\W_]+)+|--?[^\W\d_][^\W_]+|_*[^\W_]{1,80}(?:_[^\W_]+)+"
    r"|[^\W\d_]{1,80}\d[^\W_]*|[^\W\d_]{1,80}(?:\+\+|#)"
)
_ENDINGS = (
    ("ational", "at"), ("ations", "at"), ("ation", "at"), ("ators", "at"), ("ator", "at"), ("ating", "at"),
    ("ated", "at"), ("ates", "at"), ("ate", "at"), ("ies", "y"), ("ied", "y"), ("ying", "y"), ("iest", "y"),
    ("ings", ""), ("ing", ""), ("edly", ""), ("ed", ""), ("ers", ""), ("er", ""), ("ors", ""), ("or", ""),
    ("ions", ""), ("ion", ""), ("ments", ""), ("ment", ""), ("nesses", ""), ("ness", ""), ("ful", ""),
    ("ably", ""), ("able", ""), ("ibly", ""), ("ible", ""), ("ally", "al"), ("ly", ""), ("es", ""), ("s", ""),
    ("e", ""),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    form: str  # folded; of a pair both words, with a space between
    weight: float
    exact: bool = False  # found as it is written
    pair: tuple[str, str] | None = None  # stems that stand side by side


def folded(text: str) -> str:
    """In small letters, and of the same length, so that places in it are places in the text."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(small if len(small := one.lower()) == 1 else one for one in text)


@lru_cache(maxsize=1 << 14)
def stem(word: str) -> str:
    """What the forms of a folded word have in common, for English; other words mostly stay as they are."""
    word = word.split("'")[0].split("\u2019")[0]
    if len(word) <= 3 or not word.isalpha():
        return word
    if word.endswith(("ss", "us", "is")):
        return word
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: len(word) - len(ending)] + instead
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") and len(word) > 3 else word


def terms(question: str, queries: Iterable[str] = ()) -> list[Term]:
    """What to look for, each once, with weights. queries: what was searched for, which may say it in other words."""
    best: dict[tuple[str, bool], Term] = {}
    for number, text in enumerate((question, *queries)):
        factor = 1.0 if number == 0 else OTHER
        for term in _terms(text):
            key = term.form, term.exact
            if key not in best or best[key].weight < term.weight * factor:
                best[key] = Term(term.form, term.weight * factor, term.exact, term.pair)
    found = sorted(best.values(), key=lambda term: (-term.weight, -len(term.form)))
    return found[:MOST_TERMS]


def _terms(text: str) -> Iterator[Term]:
    low = folded(text)
    for name in _NAME.finditer(low):
        yield Term(name[0].strip("_"), NAME, exact=True)
    before: str | None = None
    last = 0
    for word in _WORD.finditer(low):
        start, form = word.start(), stem(word[0])
        common = is_frame(word[0]) or is_frame(form)
        # A capital letter that no sentence asks for makes a name, or a noun.
        named = text[start].isupper() and text[:start].rstrip(" \"'(*_`")[-1:] not in ("", ".", "?", "!", ":", "\n")
        yield Term(form, FRAME if common else NAMED if named else 1.0, exact=form.isdigit())
        if before is not None and not common and low[last:start].strip(" -") == "":
            yield Term(f"{before} {form}", PAIR, pair=(before, form))
        before, last = None if common else form, word.end()


def counted(texts: Sequence[str], wanted: Sequence[Term]) -> dict[Term, dict[int, float]]:
    """For each term the texts that it stands in, by their places, and how often; what only begins like it in parts."""
    starts: list[int] = []
    at = 0
    for text in texts:
        starts.append(at)
        at += len(text) + 2
    low = folded("\n\n".join(texts))
    stood: dict[str, list[int]] = {}
    found: dict[Term, dict[int, float]] = {}
    for term in sorted(wanted, key=lambda term: term.pair is not None):
        if term.pair is None:
            full, alike = places(low, term)
            stood.setdefault(term.form, full)
        else:
            first, second = (stood.get(form) or [] for form in term.pair)
            full, alike = list(_beside(first, second)), []
        counts = found[term] = dict[int, float]()
        for here, share in ((full, 1.0), (alike, ALIKE)):
            for at in here:
                place = bisect_right(starts, at) - 1
                counts[place] = counts.get(place, 0.0) + share
    return found


def _beside(first: Sequence[int], second: Sequence[int]) -> Iterator[int]:
    """Where one of the first stands near one of the second."""
    at = 0
    for place in first:
        while at < len(second) and second[at] < place - NEAR:
            at += 1
        if at < len(second) and second[at] <= place + NEAR:
            yield place


def places(low: str, term: Term) -> tuple[list[int], list[int]]:
    """Where a term stands in a folded text: (in one of its forms, what only begins like it), as characters."""
    if term.exact:
        return _written(low, term.form), []
    if term.pair is not None:
        return [], []
    form = term.form
    start = form if len(form) <= LEAST else form[: max(LEAST, len(form) - 1)]
    found: list[int] = []
    alike: list[int] = []
    at = low.find(start)
    while at >= 0 and len(found) + len(alike) < MOST_PLACES:
        if at == 0 or not low[at - 1].isalnum():
            word = _WORD.match(low, at)
            if word is not None:
                if word[0] == form or stem(word[0]) == form:
                    found.append(at)
                elif len(form) > LEAST:
                    alike.append(at)
        at = low.find(start, at + len(start))
    return found, alike


def _written(low: str, name: str) -> list[int]:
    found: list[int] = []
    at = low.find(name)
    while at >= 0 and len(found) < MOST_PLACES:
        end = at + len(name)
        joined = (low[at - 1 : at].isalnum() and name[0].isalnum()) or (
            low[end : end + 1].isalnum() and name[-1].isalnum()
        )
        # 3.1 is not found in 3.11, nor in 13.1.
        if not joined:
            found.append(at)
        at = low.find(name, end)
    return found
