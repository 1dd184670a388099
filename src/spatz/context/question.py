"""Where the question is in a long prompt: what is asked, what is kept in any case, and the long text it is about.

Sits between the prompt's tokens, with the places of the messages' parts, and the modes that cannot give every token the
same attention: skim reads only what an index finds for `terms`, routed streams everything before `tail` and caches it.
Only the edges of long parts are looked at, so that it costs nothing beside tokenizing. It is a reading of form (blank
lines, question marks, words that ask), not of meaning: a caller who knows which part is the document says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatz.context.areas import Area
from spatz.context.asking import asks, ends_asking, is_frame
from spatz.context.edges import first_texts, last_texts
from spatz.context.ranges import Range
from spatz.context.word_forms import WordForms, word_forms

__all__ = ["FRAME_WEIGHT", "Question", "find_question"]

LONG = 1024  # tokens of a part from which on it is a text to be searched, not a message to be read
RECENT = 2048  # tokens of short parts that are kept beside it; of a longer conversation, the older ones are searched
FEW = 4  # words below which a last paragraph ("Answer:") says too little, and the one before belongs to it
NEAR = 96  # tokens of an earlier question that still counts beside the last one: "and the other?"
FRAME = 32  # tokens that a template may put between two messages
MOST = 384  # tokens of what is asked at an edge of a long part; what is longer is part of the text

_PAIR = 0.5  # weight of two words that stand side by side
_WORD = re.compile(rb"[0-9a-z_\x80-\xff]+")
FRAME_WEIGHT = 0.15  # of "what is the": words with no more than this are not looked for on their own
_ASKED, _ELSEWHERE = 1.0, 0.3  # weights of the question's words, and of other instructions'


@dataclass(frozen=True, slots=True)
class Question:
    """Ranges are tokens [start, end) of the prompt, in order, disjoint; kept and long together are all of it."""

    tail: int  # from here on it is question and answer frame: the same for two questions over one document
    terms: NDArray[np.int32]  # [terms] what to look for
    weights: NDArray[np.float32]  # [terms]
    words: tuple[tuple[bytes, float], ...]
    """The same as text, lower case, with weights: words, compounds ("read-only"), and pairs of neighbours."""
    asked: tuple[Range, ...]  # where that stands, the most telling last; never empty
    asked_end: int  # where the last message ends, and the frame of the answer begins
    kept: tuple[Range, ...]
    long: tuple[Range, ...]


def find_question(
    tokens: NDArray[np.int32], areas: Sequence[Area], *, token_bytes: Callable[[int], bytes], vocab: int
) -> Question:
    """tokens: [n] the whole prompt. areas: its messages' parts, in order; none: it is one instruction.

    token_bytes must be the same object at each call: what is derived from it is kept.
    """
    forms = word_forms(token_bytes, vocab)
    parts = list(areas) or [Area(0, len(tokens))]
    long: list[Range] = []
    edges: list[tuple[Range, bool]] = []  # what may be asked before and after long texts, and whether it looks so
    for area in parts:
        if area.size <= LONG:
            continue
        begin, stop = area.start, area.end
        if area.kind == "instruction" and area.role in ("user", "system"):
            begin, stop, found = _edges(tokens, area, forms)
            edges += found
        long.append((begin, stop))
    long = _with_old_messages(parts, long)
    asked = _asked(tokens, parts, long, edges, forms)
    terms, weights = _terms(tokens, asked, forms)
    return Question(
        tail=long[-1][1] if long else parts[-1].start,
        terms=terms,
        weights=weights,
        words=_words(tokens, asked, forms),
        asked=tuple(span for span, _ in asked),
        asked_end=parts[-1].end,
        kept=_between(long, len(tokens)),
        long=tuple(long),
    )


def _edges(tokens: NDArray[np.int32], area: Area, forms: WordForms) -> tuple[int, int, list[tuple[Range, bool]]]:
    """Where the text of a long part begins and ends, and the instructions around it."""
    begin, stop = area.start, area.end
    found: list[tuple[Range, bool]] = []
    for start, end in first_texts(tokens, area.start, area.end, forms, MOST):
        if end > area.start + MOST or not asks(forms.text(tokens[start:end])):
            break
        begin = end
    if begin > area.start:
        found.append(((area.start, begin), True))
    text, telling = b"", False
    for start, end in last_texts(tokens, begin, area.end, forms, MOST):
        more = forms.text(tokens[start:end])
        # "Answer:" alone says nothing, and what follows a question may say how to answer it.
        if text and (ends_asking(text) or (len(text.split()) >= FEW and not ends_asking(more))):
            break
        text = more + text
        stop, telling = start, telling or asks(more)
    if begin > area.start and ends_asking(text) and not ends_asking(forms.text(tokens[area.start : begin])):
        found = []  # it may be the text's first line: it is kept, and beside a question its words are not looked for
    if begin > area.start and not telling:
        stop = area.end  # the question stands before the text, so its last lines are text
    # The line break before the question is not the text's: how many there are may change with the question.
    if stop < area.end:
        near = np.flatnonzero(~forms.blank[tokens[max(begin, stop - MOST) : stop]])
        stop -= min(stop - begin, MOST) - (int(near[-1]) + 1 if len(near) else 0)
    if stop < area.end:
        found.append(((stop, area.end), telling))
    return begin, stop, found


def _with_old_messages(parts: Sequence[Area], long: Sequence[Range]) -> list[Range]:
    """The long texts, and what is neither an instruction for all of it nor among the last messages."""
    short = [area for area in parts if area.size <= LONG]
    last = max((at for at, area in enumerate(short) if area.role == "user"), default=len(short) - 1)
    room = RECENT - sum(area.size for area in short[last:]) - sum(area.size for area in short if area.role == "system")
    borders = [0, *(at for span in long for at in span), parts[-1].end]
    old: list[Range] = []
    for area in reversed(short[: max(last, 0)]):
        room -= area.size if area.role != "system" else 0
        if room >= 0 or area.role == "system":
            continue
        if old and old[-1][0] - area.end < FRAME and not any(area.end <= at < old[-1][0] for at in borders):
            old[-1] = (area.start, old[-1][1])  # what the template puts between two messages goes with them
        else:
            old.append((area.start, area.end))
    return sorted(span for span in [*long, *old] if span[0] < span[1])


def _asked(
    tokens: NDArray[np.int32],
    parts: Sequence[Area],
    long: Sequence[Range],
    edges: Sequence[tuple[Range, bool]],
    forms: WordForms,
) -> list[tuple[Range, float]]:
    """What is asked, with weights, the most telling last."""
    users = [
        (area.start, area.end)
        for area in parts
        if area.size <= LONG and area.kind == "instruction" and area.role == "user"
    ]
    users = [span for span in users if not any(start <= span[0] < end for start, end in long)]
    system = [(area.start, area.end) for area in parts if area.size <= LONG and area.role == "system"]
    after = [span for span in users if not long or span[0] >= long[-1][1]]
    telling = [span for span, looks in edges if looks]
    if after:  # a message of its own behind the text; what was asked before may say what it is about
        before = [span for span in [*telling, *users] if span != after[-1] and span[1] - span[0] <= NEAR]
        return [*((span, _ELSEWHERE) for span in before[-1:]), (after[-1], _ASKED)]
    if telling:
        return [*((span, _ELSEWHERE) for span in telling[:-1]), (telling[-1], _ASKED)]
    if users:
        return [(users[-1], _ASKED)]
    ends = [span for span, _ in edges]
    if system and (not ends or any(asks(forms.text(tokens[start:end])) for start, end in system)):
        return [(system[-1], _ASKED)]
    if ends:
        return [*((span, _ELSEWHERE) for span in system[-1:]), (ends[-1], _ASKED)]
    end = parts[-1].end
    return [((max(parts[-1].start, end - 64), end), _ASKED)]


def _terms(
    tokens: NDArray[np.int32], asked: Iterable[tuple[Range, float]], forms: WordForms
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    best: dict[tuple[int, ...], float] = {}  # tokens that say one thing -> its weight
    for (start, end), weight in asked:
        for word in forms.words(tokens[start:end].tolist()):
            value = weight * (FRAME_WEIGHT if is_frame(word.form) else 1.0)
            for alike in word.terms:
                best[alike] = max(best.get(alike, 0.0), value)
    terms = [(token, value) for alike, value in best.items() for token in alike]
    return np.array([token for token, _ in terms], np.int32), np.array([value for _, value in terms], np.float32)


def _words(
    tokens: NDArray[np.int32], asked: Iterable[tuple[Range, float]], forms: WordForms
) -> tuple[tuple[bytes, float], ...]:
    best: dict[bytes, float] = {}
    for (start, end), weight in asked:
        text = forms.text(tokens[start:end]).lower()
        found = [(match[0], match.start(), match.end()) for match in _WORD.finditer(text)]
        for place, (word, first, last) in enumerate(found):
            common = is_frame(word.decode("utf-8", "replace"))
            # "needles" finds a needle, too: a search finds a word's beginnings
            if len(word) > 4 and word.endswith(b"s") and not word.endswith(b"ss"):
                word = word[:-1]
            _raise(best, word, weight * (FRAME_WEIGHT if common else 1.0))
            # What is written together is one name; what stands side by side is often one.
            until = place
            while until + 1 < len(found) and _is_joint(text[found[until][2] : found[until + 1][1]]):
                until += 1
            if until > place and (place == 0 or not _is_joint(text[found[place - 1][2] : first])):
                _raise(best, text[first : found[until][2]], weight)
            if place + 1 < len(found) and text[last : found[place + 1][1]] == b" " and not common:
                after = found[place + 1]
                if not is_frame(after[0].decode("utf-8", "replace")):
                    _raise(best, text[first : after[2]], weight * _PAIR)
    return tuple(best.items())


def _raise(best: dict[bytes, float], word: bytes, value: float) -> None:
    best[word] = max(best.get(word, 0.0), value)


def _is_joint(between: bytes) -> bool:
    return 0 < len(between) <= 2 and not any(chr(byte).isspace() or byte in b",;:?!()" for byte in between)


def _between(long: Sequence[Range], size: int) -> tuple[Range, ...]:
    borders = [0, *(at for span in long for at in span), size]
    return tuple((start, end) for start, end in zip(borders[::2], borders[1::2], strict=True) if start < end)
