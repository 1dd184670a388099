"""Whether an answer is right and what it cites is true, judged by what the pages say: independent of how Spatz cites.

An answer holds a fact if it holds one string of each group of the question. A page holds a claim if two neighbouring
sentences of it have all the claim's numbers and names, and most of its other words; for a claim of a few words, they
must be about the question, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spatz.evals.search.client import Answered, Cite

__all__ = ["has_fact", "holds_claim", "offset_fault"]

_MOST = 0.6  # of a claim's words that have to stand together on the page
_FEW = 4  # words of a claim that says nothing without its question
_MOST_ASKED = 0.5  # of the question's words, and all of its names, that have to stand there, too, then
_WORD = re.compile(r"[^\W_]+(?:[.,:/@'\u2019-][^\W_]+)*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_EMPTY = {"the", "a", "an", "of", "is", "are", "was", "were", "in", "on", "at", "to", "for", "and", "or", "with", "by"}
_EMPTY |= {"from", "it", "its", "that", "this", "as", "be", "been", "has", "have", "which"}
_EMPTY |= {
    "der",
    "die",
    "das",
    "den",
    "dem",
    "des",
    "ein",
    "eine",
    "ist",
    "sind",
    "im",
    "am",
    "zu",
    "und",
    "mit",
    "von",
}
_EMPTY |= {"es", "hat", "wird", "wurde"}
_EMPTY |= {"answer", "antwort", "what", "who", "when", "where", "how", "many", "much", "do", "does", "did"}


def _plain(text: str) -> str:
    """In one writing: numbers without marks between their thousands, quotes and dashes of one kind."""
    text = text.translate({0x2019: "'", 0x2018: "'", 0x201C: '"', 0x201D: '"', 0x2013: "-", 0x2014: "-", 0xA0: " "})
    return " ".join(re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text).casefold().split())


def _find(text: str, value: str) -> re.Match[str] | None:
    """In texts as `_plain` makes them."""
    return re.search(rf"(?<![\w.-]){re.escape(value)}(?![\w])(?!\.\d)", text)


def has_fact(text: str, groups: Sequence[Sequence[str]]) -> bool:
    said = _plain(text)
    return all(any(_find(said, _plain(value)) for value in group) for group in groups)


@dataclass(frozen=True, slots=True)
class _Claim:
    needed: frozenset[str]  # numbers and names
    words: frozenset[str]


def _claim(text: str) -> _Claim:
    needed, words = set(), set()
    for number, found in enumerate(_WORD.finditer(text)):
        word = found[0]
        stem = _stem(word)
        if any(letter.isdigit() for letter in word) or (number and word[0].isupper() and word.casefold() not in _EMPTY):
            needed.add(stem)
        elif word.casefold() not in _EMPTY:
            words.add(stem)
    return _Claim(frozenset(needed), frozenset(words))


def _stem(word: str) -> str:
    word = _plain(word).removesuffix("'s")
    if any(letter.isdigit() for letter in word):
        return word
    return re.sub(r"(?<=\w{3})(?:ing|ed|es|s|en|e)$", "", word)


def holds_claim(page: str, claim: str, question: str) -> bool:
    """question: to which a claim of few words, such as "The answer is 47", is read."""
    wanted = _claim(claim)
    if not wanted.needed and not wanted.words:
        return False  # nothing is claimed: nothing supports it
    short = len(wanted.needed | wanted.words) < _FEW
    asked = _claim(question) if short else _Claim(frozenset(), frozenset())
    for window in _windows(page):
        have = {_stem(found[0]) for found in _WORD.finditer(window)}
        if not wanted.needed <= have or len(wanted.words & have) < _MOST * len(wanted.words):
            continue
        if asked.needed <= have and len(asked.words & have) >= _MOST_ASKED * len(asked.words):
            return True
    return False


def _windows(page: str) -> Iterator[str]:
    sentences = [part for part in _SENTENCE.split(page) if part]
    for place in range(max(1, len(sentences) - 1)):
        yield " ".join(sentences[place : place + 2])


def offset_fault(answered: Answered, cite: Cite) -> str:
    """What is wrong with where a citation stands; "" for nothing."""
    text = answered.text
    if not 0 <= cite.start < cite.end <= len(text):
        return "outside of the text"
    if not cite.told:
        return "told before its text was"
    part = text[cite.start : cite.end]
    if not re.search(r"\w", part):
        return "around nothing"
    if part != part.strip():
        return "with white space at an end"
    if (cite.start and text[cite.start - 1].isalnum() and part[0].isalnum()) or (
        cite.end < len(text) and text[cite.end].isalnum() and part[-1].isalnum()
    ):
        return "in the middle of a word"
    return ""
