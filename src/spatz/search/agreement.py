"""What speaks against a sentence of a page as support for a claim, although both have their words in common.

A negation on one side, names or numbers that have changed places, another name or number in the place of one, a number
that is said of something else. It knows neither grammar nor meaning: words are aligned in their order, and compared
with what stands beside them.
"""

from __future__ import annotations

from itertools import pairwise

from spatz.search.claim_words import OPPOSITES
from spatz.search.claims import Claim, Word

__all__ = ["disagree", "replacements"]

LONGEST = 48  # content words of a sentence that are aligned
HARD = 24  # names and numbers of a claim whose order is looked at
GAP = 4  # words that may stand in the place of others
BESIDE = 2  # content words between a number and what it is said of


def disagree(found: Claim, claim: Claim) -> bool:
    """found: a sentence of a page, or two."""
    if _denies(found, claim) or _swapped(found, claim) or _belongs_elsewhere(found, claim):
        return True
    pairs = _aligned(found, claim)
    for at, there in pairs:
        one, other = claim.words[at], found.words[there]
        if (one.denied and not other.negated) or (other.denied and not one.negated):
            return True
    beside = frozenset(pairwise(["", *(word.form for word in found.words), ""]))
    forms = ["", *(word.form for word in claim.words), ""]
    for gap, instead in _gaps(found, claim, pairs):
        others = [found.words[there] for there in instead]
        for at in gap:
            word = claim.words[at]
            before, behind = forms[at], forms[at + 2]
            if (before and (before, word.form) in beside) or (behind and (word.form, behind) in beside):
                continue
            opposites = OPPOSITES.get(word.form, ())
            if any(_stands_for(word, other) or other.form in opposites for other in others):
                return True
    return False


def replacements(found: Claim, claim: Claim) -> list[int]:
    """Which of a claim's words stand where the sentence has others."""
    gaps = _gaps(found, claim, _aligned(found, claim))
    return [at for gap, _ in gaps for at in gap if claim.words[at].form not in found.forms]


def _stands_for(word: Word, other: Word) -> bool:
    """Whether a name or number stands in the place of another."""
    return word.kind != "word" and word.kind == other.kind and word.form != other.form and word.unit == other.unit


def _aligned(found: Claim, claim: Claim) -> list[tuple[int, int]]:
    """Places of the words that both have in the same order, as many as there are."""
    own = [word.form for word in claim.words[:LONGEST]]
    theirs = [word.form for word in found.words[:LONGEST]]
    rows = [[0] * (len(theirs) + 1)]
    for form in reversed(own):
        below = rows[-1]
        row = [0] * (len(theirs) + 1)
        for there in range(len(theirs) - 1, -1, -1):
            row[there] = below[there + 1] + 1 if theirs[there] == form else max(below[there], row[there + 1])
        rows.append(row)
    rows.reverse()
    pairs = []
    at = there = 0
    while at < len(own) and there < len(theirs):
        if own[at] == theirs[there]:
            pairs.append((at, there))
            at, there = at + 1, there + 1
        elif rows[at + 1][there] >= rows[at][there + 1]:
            at += 1
        else:
            there += 1
    return pairs


def _gaps(found: Claim, claim: Claim, pairs: list[tuple[int, int]]) -> list[tuple[range, range]]:
    """Words of the claim, and of the sentence, that stand between the same words."""
    ends = [(-1, -1), *pairs, (min(len(claim.words), LONGEST), min(len(found.words), LONGEST))]
    gaps = [(range(at + 1, to), range(there + 1, until)) for (at, there), (to, until) in pairwise(ends)]
    return [(own, theirs) for own, theirs in gaps if 0 < len(own) <= GAP and 0 < len(theirs) <= GAP]


def _denies(found: Claim, claim: Claim) -> bool:
    """Whether one of the two says that what the other says is not so."""
    said = found.forms | found.light
    if claim.denies and not found.denies:
        core = claim.denied - said
        return not any(other in found.forms for form in core for other in OPPOSITES.get(form, ()))
    if not found.denies:
        return False
    if not claim.denies:
        return bool((found.negated & claim.forms) | (found.denied & claim.light))
    if claim.negated & found.forms and not claim.negated & (found.negated | found.denied):
        return True
    return bool((claim.denied & said) - found.negated - found.denied) or bool(
        (found.denied & (claim.forms | claim.light)) - claim.negated - claim.denied
    )


def _swapped(found: Claim, claim: Claim) -> bool:
    """Whether two names or numbers have changed their places between the same words."""
    order = {form: at for at, word in reversed([*enumerate(found.words)]) for form in (word.form, *word.others)}
    words, theirs = claim.words, found.words
    hard = [(at, order[word.form]) for at, word in enumerate(words) if word.kind != "word" and word.form in order]
    for number, (at, there) in enumerate(hard[:HARD]):
        for later, before in hard[number + 1 : HARD]:
            if before >= there:
                continue
            behind = at + 1 < later and before + 1 < len(theirs) and words[at + 1].form == theirs[before + 1].form
            ahead = later - 1 > at and there > 0 and words[later - 1].form == theirs[there - 1].form
            if behind or ahead:
                return True
    return False


def _belongs_elsewhere(found: Claim, claim: Claim) -> bool:
    """Whether a number is said of something else in a sentence with several of them."""
    numbers = [word for word in found.words if word.kind == "number"]
    if len(numbers) < 2:
        return False
    said = {form for word in claim.words for form in (word.form, *word.others)}
    own = {word.clause for word in numbers if word.form in said}
    if len(own) != 1:
        return False
    clause = next(iter(own))
    clauses: list[set[str]] = [set() for _ in range(found.clauses)]
    for word in found.words:
        clauses[word.clause].update((word.form, *word.parts, *word.others))
    here = clauses[clause]
    for at, other in enumerate(found.words):
        if other.kind != "number" or other.form in said or other.clause == clause:
            continue
        there = clauses[other.clause]
        only = {word.form for word in claim.words if word.kind != "number"} & (there - here)
        if not only:
            continue
        near = {word.form for word in found.words[max(0, at - BESIDE) : at + BESIDE + 1]}
        parallel = bool(here & there & said)
        if only & near or parallel or any(OPPOSITES.get(form, frozenset()) & here for form in only):
            return True
    return False
