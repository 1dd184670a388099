"""Which passages support a claim, by the words that both share; and how much.

The passages' sentences are indexed once by their words. A claim is compared with those that share its rarest words, and
with what they stand under (heading, title, the sentence before). It is supported where enough of it, weighted by how
rare its words are in the passages, stands there; and only where nothing speaks against it: a number or a name that is
missing, and what agreement.py finds.

It compares words, not meaning: what says the same in other words is not found, and that is the side to err on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log

from spatz.search.agreement import disagree, replacements
from spatz.search.claim_words import OPPOSITES, UNITS
from spatz.search.claims import Claim, Word, joined, read
from spatz.search.passage import Passage
from spatz.search.sentences import sentences

__all__ = ["Evidence", "Need", "Support"]

# ENOUGH and MIXED: chosen on 2,400 sentences of real pages as they are, framed, shortened or reworded, and 2,250 with a
# number, name, word or negation changed; measured on as many others: 97 % of the former are cited, 7 % of the latter.
ENOUGH = 0.75  # of a claim's weight that must be found
OWN = 0.5  # of what is found, that must stand in the sentence itself
TOPIC = 0.5  # of what was asked, that must stand beside an answer that says little by itself
FEW = 3  # content words below which it does
ALL = 0.95  # of a short claim that must stand in one sentence, where it goes on with what was said before
PART = 0.35  # of each clause of a claim that must be found
RIVAL = 1.2  # how much more of a claim another sentence may hold, that gives another number for it
CLOSE = 8  # sentences that are looked at closely
NEAR = 0.85  # what a word counts that stands not in the sentence itself, but in what it stands under
LEAST = 0.5  # of a claim's weight below which no more is looked at
MIXED = 3.0  # what a word of another sentence, in the place of this one's, counts against it beside being missing
BEFORE = 0.4  # and what one of what was asked does, that stands in the sentence before
HERE = 0.25  # of what was asked, that must stand in the sentence itself
WEIGHTS = {"word": 1.0, "name": 1.5, "number": 2.0}
NUMBERS = 48  # of a passage's sentence that are looked at
MOST = 400  # characters of a title or heading that are read


@dataclass(frozen=True, slots=True)
class Evidence:
    passage: int  # its number
    support: float  # 0..1


@dataclass(frozen=True, slots=True)
class Need:
    """What a claim needs to be supported."""

    topic: Claim | None = None  # what it is an answer to: it must be told of beside a claim that says little
    enough: float = ENOUGH  # of its weight that must be found
    alone: bool = False  # in one sentence and its headings
    near: int | None = None  # the passage of the claim before: what stands whole in it needs not speak of the topic


@dataclass(frozen=True)
class _Place:
    """A sentence of a passage, or two."""

    passage: int
    claim: Claim
    above: frozenset[str]  # forms in heading and title
    around: frozenset[str]  # and in the sentence before

    @cached_property
    def numbers(self) -> list[Word]:
        return [word for word in self.claim.words if word.kind == "number"][:NUMBERS]

    def holds(self, word: Word) -> float:
        """How much a claim's word is found here."""
        forms = self.claim.forms
        if word.kind == "number":
            return self._holds_number(word)
        if word.form in forms:
            return 1.0
        if word.parts:
            inside = sum(part in forms for part in word.parts)
            if inside == len(word.parts):
                return 1.0
            if inside and all(part in forms or part in self.around for part in word.parts):
                return NEAR
        return NEAR if word.form in self.around else 0.0

    def _holds_number(self, word: Word) -> float:
        same = (word.form, *word.others)
        for own in self.numbers:
            if own.form not in same and not any(other in same for other in own.others):
                continue
            if not word.unit or own.unit == word.unit:
                return 1.0
            if not own.unit and any(UNITS.get(form) == word.unit for form in (*self.claim.forms, *self.around)):
                return 1.0
        if word.unit:
            return 0.0
        if any(form in self.claim.forms for form in same):
            return 1.0
        return NEAR if any(form in self.above for form in same) else 0.0


class Support:
    """Of one set of passages."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._places: list[_Place] = []
        self._found: defaultdict[str, list[int]] = defaultdict(list)  # form -> places
        for number, passage in enumerate(passages):
            self._add(number, passage)
        for number, place in enumerate(self._places):
            for form in place.claim.forms:
                self._found[form].append(number)
        self._around = frozenset(form for place in self._places for form in place.around)
        self._rarest = log(len(self._places) + 1.0)

    def _add(self, number: int, passage: Passage) -> None:
        above = read(passage.page.title[:MOST]).forms | read(passage.heading[:MOST]).forms
        before: frozenset[str] = frozenset()
        body = passage.text.removeprefix(f"{passage.heading}:\n") if passage.heading else passage.text
        for sentence in sentences(body):
            claim = read(sentence.text)
            if claim.words:
                self._places.append(_Place(number, claim, above, before | above))
                before = claim.forms

    def find(self, claim: Claim, need: Need | None = None) -> list[Evidence]:
        """Best first, at most one for a passage."""
        need = need or Need()
        if not claim.words:
            return []
        weights = [self._weight(word) for word in claim.words]
        best: dict[int, float] = {}
        shared = self._shared(claim.words, weights)
        for number in sorted(shared, key=shared.__getitem__, reverse=True)[:CLOSE]:
            place = self._places[number]
            support = self._support(place, claim, weights, need)
            if support < need.enough and not need.alone and number + 1 < len(self._places):
                behind = self._places[number + 1]
                beside = behind.passage == place.passage and number + 1 in shared
                if beside and not _parallel(place.claim, behind.claim, claim):
                    both = _Place(place.passage, joined(place.claim, behind.claim), place.above, place.around)
                    support = self._support(both, claim, weights, need)
            better = support >= need.enough and support > best.get(place.passage, 0.0)
            if better and not self._rivalled(number, claim, weights, shared):
                best[place.passage] = support
        ranked = sorted(best.items(), key=lambda item: -item[1])
        return [Evidence(passage, support) for passage, support in ranked]

    def _weight(self, word: Word) -> float:
        often = max((len(self._found[form]) for form in (word.form, *word.others) if form in self._found), default=0)
        return (0.2 + self._rarest - log(often + 0.5)) * WEIGHTS[word.kind]

    def _shared(self, words: Sequence[Word], weights: Sequence[float]) -> dict[int, float]:
        """What of a claim's weight each place holds itself."""
        shared: defaultdict[int, float] = defaultdict(float)
        for word, weight in zip(words, weights, strict=True):
            forms = {form for form in (word.form, *word.others, *word.parts) if form in self._found}
            for form in forms:
                for number in self._found[form]:
                    shared[number] += weight / len(forms)
        return shared

    def _support(self, place: _Place, claim: Claim, weights: Sequence[float], need: Need) -> float:
        """0 where something speaks against it."""
        total = own = near = 0.0
        clauses = [[0, 0.0, 0.0] for _ in range(claim.clauses)]  # content words, their weight, what is found of it
        counted = False  # a number stands in the sentence itself
        numbers = plain = 0
        for word, weight in zip(claim.words, weights, strict=True):
            held = place.holds(word)
            if need.alone and held == NEAR and word.form not in place.above:
                held = 0.0
            total += weight
            part = clauses[word.clause]
            part[0] += 1
            part[1] += weight
            part[2] += weight * held
            if held == 1.0:
                own += weight
            else:
                near += weight * held
            if word.kind == "number":
                numbers += 1
                counted = counted or held == 1.0
            else:
                plain += 1
            if not held and (word.kind != "word" or self._contradicts(place, word)):
                return 0.0
        if any(count > 1 and held < PART * weight for count, weight, held in clauses):
            return 0.0
        if (numbers and not counted) or own < OWN * (own + near):
            return 0.0
        if (own + near) / total < LEAST or disagree(place.claim, claim):
            return 0.0
        replaced = sum(weights[at] for at in replacements(place.claim, claim) if claim.words[at].form in self._found)
        support = (own + near) / (total + MIXED * replaced)
        if plain < FEW:
            if need.topic is None or not need.topic.words:
                return support if plain + numbers >= FEW else 0.0
            asked = self._told(place, need.topic)
            if asked >= TOPIC:
                return support * min(1.0, 0.5 + asked / 2)
            goes_on = place.passage == need.near and plain + numbers > 1 and own >= ALL * total
            return support if goes_on else 0.0
        return support

    def _contradicts(self, place: _Place, word: Word) -> bool:
        return any(other in place.claim.forms for other in OPPOSITES.get(word.form, ()))

    def _told(self, place: _Place, topic: Claim) -> float:
        """How much of what was asked stands in a place."""
        total = told = own = 0.0
        for word in topic.words:
            held = place.holds(word)
            if word.kind == "name" and not held and word.form in self._found:
                return 0.0  # other sentences are about it
            if word.kind == "word" and word.form not in self._found and word.form not in self._around:
                continue
            weight = self._weight(word)
            total += weight
            if held == 1.0:
                own += weight
            elif held and word.form not in place.above:
                held = BEFORE
            told += weight * held
        return told / total if total and own >= HERE * total else 0.0

    def _rivalled(self, number: int, claim: Claim, weights: Sequence[float], shared: dict[int, float]) -> bool:
        """Whether another sentence says more of what the claim is about, with another number."""
        numbers = [word for word in claim.words if word.kind == "number"]
        if not numbers:
            return False

        def about(place: _Place) -> float:
            return sum(
                weight
                for word, weight in zip(claim.words, weights, strict=True)
                if word.kind != "number" and place.holds(word) == 1.0
            )

        place = self._places[number]
        own = about(place)
        for other in sorted(shared, key=shared.__getitem__, reverse=True)[:CLOSE]:
            rival = self._places[other]
            if other == number or any(rival.holds(word) for word in numbers):
                continue
            alike = any(_alike(word, found) for word in numbers for found in rival.numbers)
            if alike and about(rival) > RIVAL * own:
                return True
        return False


def _parallel(one: Claim, other: Claim, claim: Claim) -> bool:
    """Whether two sentences say the same of different things, and the claim takes from both."""
    said = {word.form for word in claim.words}
    hard = {word.form for word in claim.words if word.kind != "word"}
    first, second = said & (one.forms - other.forms), said & (other.forms - one.forms)
    return bool(first and second and hard & (first | second) and (said - hard) & one.forms & other.forms)


def _alike(one: Word, other: Word) -> bool:
    """Whether two numbers may be values of the same thing."""
    return one.unit == other.unit and ("." in one.form) == ("." in other.form)
