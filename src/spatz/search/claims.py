"""What a sentence claims, as far as words can tell: content words by their stems, names, numbers, and what is negated.

Both sides of a citation are read by it: the sentence of the answer, and the sentences of the pages. It understands
nothing; it finds what must be the same in both for one to support the other. support.py compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from spatz.search.claim_words import (
    ASIDE,
    CLAUSE,
    LIGHT,
    NEGATORS,
    NUMBERS,
    POWERS,
    STOPWORDS,
    UNITS,
    form_of,
)

__all__ = ["Claim", "Kind", "Word", "denied", "joined", "read"]

Kind = Literal["word", "name", "number"]

_REACH = 3  # content words behind a negation that it is about
MOST = 200  # words and marks of one sentence that are read

_TOKEN = re.compile(
    r"""
      (?P<number>(?<![\w.])[$€£¥]?\d{1,3}(?:[ \u00a0\u202f\u2009]\d{3})+(?![\w.])  # 1 000 000
        | (?<![^\W\d_])(?<!\d)[$€£¥]?\d+(?:[.,:/-]\d+)*(?![^\W\d_][\w.]*\d))  # 40; 3.11.2; 1,000; 12:30
    | (?P<code>--?[^\W\d_][\w-]*|(?<![\w.])\.[^\W\d_]\w*  # --option; .hidden
        | \w+(?:(?:\.|::|/|_+|[+@:](?=\w)|-(?=\w*[\d_]))\w+)+(?:\(\))?|\w+(?:\+\+|\#)|_+\w+)  # asyncio.run(); C++
    | (?P<ideograph>[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]+)
    | (?P<word>\w+(?:['\u2019]\w+)?)
    | (?P<percent>%|\u2030|[$€£¥])
    | (?P<clause>[,;:()\u2013\u2014\n\u3001\u3002\uff0c\uff1b\u2022|]|\.(?=\s))
    """,
    re.VERBOSE,
)
_GROUPED = re.compile(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*(?!\d)")
_INNER = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Word:
    form: str  # what is compared
    kind: Kind
    clause: int  # its number in the sentence
    parts: tuple[str, ...] = ()  # of a name that is put together: asyncio, run
    others: tuple[str, ...] = ()  # forms that are the same number: 1000 for 1.000
    unit: str = ""  # of a number
    negated: bool = False  # a negation may be about it
    denied: bool = False  # it is what a negation is about most likely


@dataclass(frozen=True, slots=True)
class Claim:
    words: tuple[Word, ...]  # content alone, in order
    forms: frozenset[str]  # of them, with their parts and others
    negated: frozenset[str]  # what a negation may be about: the words behind it
    denied: frozenset[str]  # what it is about most likely: the first of them
    light: frozenset[str]  # words that say too little to be content, but may be denied
    denies: bool  # something is negated, whatever it is
    clauses: int


def read(text: str, *, begins: bool = True) -> Claim:
    """begins: its first letter is large because a sentence begins there."""
    words: list[Word] = []
    reach = 0  # content words that a negation still reaches
    denied: set[str] = set()
    light: set[str] = set()
    denies = False
    clause = 0
    first = begins
    for at, found in enumerate(_TOKEN.finditer(text)):
        if at >= MOST:
            break
        kind, said = found.lastgroup, found[0]
        if kind == "clause":
            clause += 1
            reach = 0
            first = first or said in ":\n|"
            continue
        if kind == "percent":
            _add_unit(words, UNITS[said])
            continue
        low = said.lower().replace("\u2019", "'")
        if kind == "word":
            if (low in NEGATORS and (said != "None" or first)) or low.endswith("n't"):
                reach, denies = _REACH, True
                first = False
                continue
            if low in CLAUSE:
                clause += 1
                reach = 0
            if low in LIGHT:
                light.add(low)
                if reach == _REACH:
                    denied.add(low)
                    reach -= 1
            if low in STOPWORDS or low in LIGHT:
                first = first and low in ASIDE
                continue
        for word in _words(kind or "", said, low, clause, first, reach > 0):
            if reach == _REACH:
                denied.add(word.form)
                word = replace(word, denied=True)
            words.append(word)
            _put_together(words)
        reach = max(0, reach - 1)
        first = False
    forms = frozenset(form for word in words for form in (word.form, *word.parts, *word.others))
    negated = frozenset(word.form for word in words if word.negated)
    return Claim(tuple(words), forms, negated, frozenset(denied), frozenset(light), denies, clause + 1)


def _words(kind: str, said: str, low: str, clause: int, first: bool, negated: bool) -> Iterator[Word]:
    if kind == "number":
        yield _number(said, clause, negated)
    elif kind == "code":
        form = low.strip("_").removesuffix("()").lstrip("-")
        parts = tuple(form_of(part) for part in _INNER.findall(form))
        yield Word(form, "name", clause, parts if len(parts) > 1 or parts != (form,) else (), negated=negated)
    elif kind == "ideograph":
        for pair in pairwise(said) if len(said) > 1 else (said,):
            yield Word("".join(pair), "word", clause, negated=negated)
    elif low in NUMBERS:
        yield Word(NUMBERS[low], "number", clause, negated=negated)
    else:
        form = form_of(low)
        large = said[0].isupper() and not first
        mixed = any(char.isdigit() for char in said) or any(char.isupper() for char in said[1:])
        named = large or mixed
        yield Word(form, "name" if named else "word", clause, negated=negated)


def _number(said: str, clause: int, negated: bool) -> Word:
    unit = UNITS.get(said[0], "")
    digits = said.lstrip("$€£¥")
    if any(char.isspace() for char in digits):
        return Word("".join(digits.split()), "number", clause, unit=unit, negated=negated)
    if grouped := _GROUPED.match(digits):
        whole = digits[: grouped.end()].replace(grouped[1], "") + digits[grouped.end() :]
        if grouped[1] == ",":
            return Word(whole, "number", clause, unit=unit, negated=negated)
        return Word(digits, "number", clause, others=(whole,), unit=unit, negated=negated)
    return Word(digits.replace(",", "."), "number", clause, unit=unit, negated=negated)


def _put_together(words: list[Word]) -> None:
    """Put a number together with the unit, or the power of ten, that has just come behind it."""
    if len(words) < 2 or words[-2].kind != "number" or words[-1].clause != words[-2].clause:
        return
    number, word = words[-2], words[-1]
    if word.form in POWERS and number.form.replace(".", "", 1).isdigit():
        value = format(float(number.form) * POWERS[word.form], ".15g")
        words[-2:] = [Word(value, "number", number.clause, unit=number.unit, negated=number.negated)]
    elif unit := UNITS.get(word.form):
        words.pop()
        _add_unit(words, unit)


def _add_unit(words: list[Word], unit: str) -> None:
    if words and words[-1].kind == "number" and not words[-1].unit:
        last = words[-1]
        words[-1] = Word(last.form, "number", last.clause, others=last.others, unit=unit, negated=last.negated)


def denied(claim: Claim) -> Claim:
    """That it is not so."""
    words = tuple(replace(word, negated=True) for word in claim.words)
    return replace(claim, words=words, negated=frozenset(word.form for word in words), denies=True)


def joined(one: Claim, other: Claim) -> Claim:
    """Of two sentences, one behind the other."""
    moved = (replace(word, clause=word.clause + one.clauses) for word in other.words)
    return Claim(
        (*one.words, *moved),
        one.forms | other.forms,
        one.negated | other.negated,
        one.denied | other.denied,
        one.light | other.light,
        one.denies or other.denies,
        one.clauses + other.clauses,
    )
