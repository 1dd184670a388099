"""Whether passages answer a question, or are only about the same thing: "What is the telephone number of the museum?".

Asked by ranking.py's `tells`. A sentence may be an answer where it holds something of the kind that is asked for
(answer_kinds.py) which the question itself does not hold, and the thing's own word, where the question has one ("which
*insurance*", "how many *windows*", "the *father* of"), and where enough of the question's words stand in it, or in what
it stands under and beside. It compares words, not meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log1p

from spatz.search.answer_kinds import KINDS, PEOPLE, Kind
from spatz.search.answer_words import BEFORE_NOUNS, LIGHT, SAME, STOPS
from spatz.search.claim_words import STOPWORDS
from spatz.search.passage import Passage
from spatz.search.splitting import sentences
from spatz.search.words import Term, counted, folded, stem, terms

__all__ = ["Answer", "Asked", "answers", "asked"]

ABOVE = 0.8  # what a word counts that stands not in the sentence itself, but in its heading or title
BEFORE = 0.6  # in the sentence before
INSTEAD = 0.8  # or what may be said instead of it
AROUND = 0.4  # elsewhere in the passage
CLOSE = 0.15  # of what is asked, that stands nearer than elsewhere in the passage
DEED = 0.7  # what a sentence is worth that does not say who did *that*: "who invented"
NEAR = 40  # characters between a number and what it counts

_WORD = re.compile(r"[^\W\d_][\w'\u2019-]*")
_CAPITAL = re.compile(r"(?<![\w/.'\u2019-])[^\W\d_a-z][\w'\u2019-]*[^\W\d_A-Z]\w*")
_PLACED = re.compile(
    r"(?:\b(?:in|at|near|from|to|around|outside|is|was|are|and|or|of|the|von|nach|aus|bei|im|ist|à|en|de|est|es)|[:,])$",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r",|\s+(?:is|was|are|were|has|had|and|wrote|won|made|built|led|drew|sang|sold|bought|gave|took|became|ist|war|hat|est"
    r"|a|es|fue|[a-z]+ed)\b"
)
_ASKS = re.compile(
    r"\b(?:who(?:m|se)?|what|which|when|where|how|wer|wem|wen|wessen|was|welche[mnrs]?|wann|wo(?:her|hin)?|wie|qui|que|quoi"
    r"|quel(?:le)?s?|quand|où|combien|comment|quién(?:es)?|qué|cuál(?:es)?|cuándo|dónde|cuánt[oa]s?|cómo)\b"
)
_YES_NO = re.compile(
    r"\W*(?:is|are|was|were|do|does|did|can|could|will|would|should|must|may|has|have|had|ist|sind|war|hat|haben|kann|gibt"
    r"|est-ce|es|son|hay|puede)\b"
)
_WHICH = re.compile(
    r"(?:which|what|welche[mnrs]?|quel(?:le)?s?|qué|(?P<many>how m(?:any|uch)|wie ?viele?n?|combien de|cuánt[oa]s?))\s+"
)
_OF = re.compile(
    r"(?:who|what|which|wer|was|welche[mnrs]?|qui|quel(?:le)?s?|quién|cuál)(?:'s|\s+(?:is|are|was|were|ist|sind|war|waren|est"
    r"|sont|es|son))\s+(?:(?:the|an?|der|die|das|le|la|les|el|los|las)\s+|l'|(?:[^?]*?)['\u2019]s?\s+)(?P<noun>[^?]+)"
)
_DEED = re.compile(r"\w+\s+(?!(?:is|are|was|were|has|have|had|ist|war|hat|a|est|es|can|may|does)\b)(\w+)")
_JOINED = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+")  # "min-heap": its words are looked for as well


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question asks for."""

    kind: Kind | None  # None: anything
    thing: frozenset[str]  # stems, of which a sentence has to hold one; empty where there is none, or the kind says it
    words: frozenset[str]  # of the question, folded
    deed: str = ""  # the stem of what somebody is asked for who does it


@dataclass(frozen=True, slots=True)
class Answer:
    """A sentence that may be one."""

    text: str
    covers: float  # 0..1, the part of what is asked, by rarity, that stands in it and around it


def asked(question: str) -> Asked:
    low = folded(question)
    words = frozenset(_words(low))
    begins = None if _YES_NO.match(low) else _ASKS.search(low)
    if begins is None:
        return Asked(None, frozenset(), words)
    rest = low[begins.start() :]
    which, of = _WHICH.match(rest), _OF.match(rest)
    noun = _phrase(of["noun"]) if of is not None else _phrase(rest[which.end() :]) if which is not None else ""
    if which is None or which["many"] is None:
        for one in KINDS:
            if one.noun is not None and any(found.end() == len(noun) for found in one.noun.finditer(noun)):
                return Asked(one, frozenset(), words)
    begun = (kind for kind in KINDS if kind.asks is not None and kind.asks.match(rest) is not None)
    kind = next(begun, None)
    deed = _DEED.match(rest) if kind is not None and kind.name == "person" else None
    return Asked(kind, _alike(noun), words, stem(deed[1]) if deed is not None else "")


def answers(question: str, passages: Sequence[Passage]) -> list[Answer]:
    """The passages' sentences that may be an answer, as far as any word of the question is there; the best first.

    passages: best first, as ranked for the question.
    """
    what = asked(question)
    told = [(at, *sentence) for at, passage in enumerate(passages) for sentence in _sentences(passage.body)]
    wanted = [term for term in terms(question) if term.pair is None and not _JOINED.fullmatch(term.form)]
    inside = _counted([sentence for _, sentence, _ in told], wanted)
    above = counted([f"{passage.heading}\n{passage.page.title}" for passage in passages], wanted)
    around = counted([passage.body for passage in passages], wanted)
    rarity = {
        term: term.weight * log1p((len(told) - len(inside[term]) + 0.5) / (len(inside[term]) + 0.5)) for term in wanted
    }
    whole = sum(rarity.values()) or 1.0
    found: list[Answer] = []
    for number, (at, sentence, goes_on) in enumerate(told):
        said = close = 0.0
        for term, weight in rarity.items():
            near = max(
                min(inside[term].get(number, 0.0), 1.0),
                ABOVE * min(above[term].get(at, 0.0), 1.0),
                BEFORE * min(inside[term].get(number - 1, 0.0), 1.0) if goes_on else 0.0,
            )
            close += weight * near
            said += weight * max(near, AROUND * min(around[term].get(at, 0.0), 1.0))
        if what.deed and not any(number in inside[term] for term in wanted if term.form == what.deed):
            said *= DEED
        if close > CLOSE * whole and _fits(what, sentence, passages[at].heading):
            found.append(Answer(sentence, said / whole))
    return sorted(found, key=lambda answer: -answer.covers)


def _counted(texts: Sequence[str], wanted: Sequence[Term]) -> dict[Term, dict[int, float]]:
    """As words.counted, and in parts what may be said instead of a word."""
    instead = {
        form: Term(form, 0.0)
        for term in wanted
        if not term.exact
        for form in SAME.get(term.form, ())
        if form != term.form
    }
    inside = counted(texts, [*wanted, *instead.values()])
    for term in wanted:
        for form in SAME.get(term.form, ()) if not term.exact else ():
            for place in inside[instead[form]] if form in instead else ():
                inside[term][place] = max(inside[term].get(place, 0.0), INSTEAD)
    return {term: inside[term] for term in wanted}


def _fits(what: Asked, sentence: str, heading: str) -> bool:
    if what.thing and not any(stem(word) in what.thing for word in _words(folded(f"{heading} {sentence}"))):
        return False
    kind = what.kind
    if kind is None:
        return True
    if kind.holds is not None:
        return any(
            _new(what, found[0]) and (kind.name != "amount" or _counts(what, sentence, found))
            for found in kind.holds.finditer(sentence)
        )
    if kind.name == "person" and (someone := PEOPLE.search(sentence)) is not None and _new(what, someone[0]):
        return True
    return any(_new(what, name[0]) and _named(kind, sentence, name) for name in _CAPITAL.finditer(sentence))


def _named(kind: Kind, sentence: str, name: re.Match[str]) -> bool:
    """Whether a word with a capital letter is a name, and that of a place, as far as what stands before it tells."""
    before = sentence[: name.start()].rstrip(" \"'*_([-")
    if before[-1:] in (".", ""):
        begins = _SUBJECT.match(sentence, name.end()) is not None and folded(name[0]) not in STOPWORDS
        return begins or (kind.name == "person" and _CAPITAL.match(sentence, name.end() + 1) is not None)
    return kind.name == "person" or _PLACED.search(before) is not None


def _counts(what: Asked, sentence: str, number: re.Match[str]) -> bool:
    """Whether it is the thing that a number counts, as far as its place tells."""
    near = sentence[max(0, number.start() - NEAR) : number.end() + NEAR]
    return not what.thing or any(stem(word) in what.thing for word in _words(folded(near)))


def _new(what: Asked, text: str) -> bool:
    """Whether the question does not say it itself; words that are in every text say nothing of that."""
    words = [word for word in _words(folded(text)) if word not in STOPS]
    return not words or any(word not in what.words for word in words)


def _phrase(text: str) -> str:
    """The nouns that a text begins with, as far as they tell what is asked for."""
    taken: list[str] = []
    for word in re.finditer(r"[\w'\u2019-]+|\S", text):
        if word[0] in STOPS or not word[0][0].isalnum():
            if word[0] in BEFORE_NOUNS:
                del taken[-1:]  # a verb: "which insurance *covers* the"
            break
        taken.append(word[0])
    return " ".join(taken)


def _alike(noun: str) -> frozenset[str]:
    stems = {stem(word) for word in _words(noun) if word not in LIGHT and not word.isdigit()}
    return frozenset(stems.union(*(SAME.get(form, ()) for form in stems)))


def _words(low: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", low)


def _sentences(body: str) -> Iterator[tuple[str, bool]]:
    """And whether each goes on with the one before."""
    goes_on = False
    for line in body.split("\n"):
        for start, end in sentences(line):
            yield line[start:end], goes_on
            goes_on = True
        goes_on = goes_on and line.rstrip().endswith(":")
