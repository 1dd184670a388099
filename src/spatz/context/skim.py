"""Skimming: of a prompt that is far longer than the model can read, the few passages that the question is about.

Sits between the prompt's tokens and the engine, which gets a prompt of ordinary length: all that is short, and of the
long texts the sentences and lines that share the question's rare words. Nothing else is run through the model, so an
answer costs tokenizing, searching and a hundred tokens of prefill. It suits a question about something in a long text,
and not a task that needs all of it. The model alone answers: what is picked is text as it was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatz import _core
from spatz.context.passages import best_passages
from spatz.context.question import FRAME_WEIGHT, Question, Range
from spatz.context.word_forms import WordForms, word_forms
from spatz.context.word_search import WordSearch

__all__ = ["Skimmed", "skim"]

MANY = 16  # passages at most
WORDS = 40  # of a long question that are looked for; each is a search through the whole text
LEAST = 256  # tokens of room without which skimming makes no sense
ENDS = 256  # tokens of a text's beginning and of its end, which are read if nothing in it is found
AGAIN = 1024  # tokens of passages up to which they are said twice
BLOCK = 64  # tokens, of the index over token ids that is asked where no word is found


@dataclass(frozen=True, slots=True)
class Skimmed:
    tokens: NDArray[np.int32]  # the prompt to run
    spans: tuple[Range, ...]  # what is in it of the long texts: tokens [start, end) of the whole prompt, in order
    blocks: int  # passages that were picked


def skim(
    tokens: NDArray[np.int32],
    question: Question,
    *,
    vocab: int,
    token_bytes: Callable[[int], bytes],
    gap: Sequence[int],
    most: int,
) -> Skimmed:
    """tokens: [n] the whole prompt. gap: tokens that stand between passages, such as a line break. most: the result's.

    Raises ValueError where what is kept in any case leaves no room for anything else.

    Without long text the prompt stays as it is. Where nothing is found, each long text's beginning and end are read.
    """
    if not question.long:
        if len(tokens) > most:
            raise ValueError(f"it has no long text, and its {len(tokens)} tokens do not fit into {most}")
        return Skimmed(tokens, (), 0)
    kept = sum(end - start for start, end in question.kept)
    room = most - kept - len(gap) * (MANY + len(question.long))
    if room < LEAST:
        raise ValueError(
            f"the question and the other parts that are read in any case have {kept} tokens, "
            f"and {most} is all there is room for"
        )
    forms = word_forms(token_bytes, vocab)
    passages = _found(tokens, question, forms, vocab)
    spans = _spans(question, passages, room)
    return Skimmed(_prompt(tokens, question, spans, forms, gap, room), tuple(spans), len(passages) or len(spans))


def _found(tokens: NDArray[np.int32], question: Question, forms: WordForms, vocab: int) -> list[Range]:
    search = WordSearch(tokens, forms)
    telling = [(weight, len(word), word) for word, weight in question.words if weight > FRAME_WEIGHT]
    telling.sort(reverse=True)  # long words are rarer
    found = [(_within(search.find(word), question.long), weight) for weight, _, word in telling[:WORDS]]
    if any(len(places) for places, _ in found):
        return best_passages(tokens, question.long, found, forms, MANY)
    return _by_pieces(tokens, question, vocab)


def _by_pieces(tokens: NDArray[np.int32], question: Question, vocab: int) -> list[Range]:
    """Whole blocks that hold pieces of the question's words: for names that the text writes in another form."""
    telling = question.weights > FRAME_WEIGHT
    if not telling.any():
        return []
    index = _core.TokenIndex(vocab=vocab, block_tokens=BLOCK)
    index.append(tokens)
    scores = index.score(question.terms[telling], question.weights[telling])
    free = np.zeros(len(scores), bool)
    for start, end in question.long:
        free[-(-start // BLOCK) : end // BLOCK] = True
    scores = np.where(free, scores, 0.0)
    best = int(scores.argmax()) if len(scores) else 0
    if not len(scores) or scores[best] <= 0.0:
        return []
    return [(best * BLOCK, (best + 1) * BLOCK)]


def _within(places: NDArray[np.int64], long: Sequence[Range]) -> NDArray[np.int64]:
    cuts = np.searchsorted(places, np.array(long))
    return np.concatenate([places[first:last] for first, last in cuts.tolist()])


def _spans(question: Question, passages: Sequence[Range], room: int) -> list[Range]:
    """What is read of the long texts: in order, disjoint, no more than the room."""
    wanted = list(passages)
    if not wanted:
        share = min(ENDS, room // (2 * len(question.long)))
        for start, end in question.long:
            wanted += [(start, min(end, start + share)), (max(start, end - share), end)]
    spans: list[Range] = []
    for start, end in wanted:
        end = min(end, start + room)
        if start < end:
            room -= end - start
            spans.append((start, end))
    merged: list[Range] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _prompt(
    tokens: NDArray[np.int32],
    question: Question,
    spans: Sequence[Range],
    forms: WordForms,
    gap: Sequence[int],
    room: int,
) -> NDArray[np.int32]:
    """The prompt with the passages in the long texts' places, and once more behind the question where they are short.

    A small model that has read the question answers far better from what it reads then.
    """
    between = np.array(gap, np.int32)
    pieces: list[NDArray[np.int32]] = []
    at = 0
    for start, end in question.long:
        pieces.append(tokens[at:start])
        pieces += _joined(tokens, [span for span in spans if start <= span[0] < end], between)
        at = end
    last = question.asked_end
    first, until = question.asked[-1]
    size = sum(end - start for start, end in spans)
    if size > AGAIN or 2 * size + (until - first) + 2 * len(gap) > room:
        return np.concatenate([*pieces, tokens[at:]])
    again = _joined(tokens, spans, between)
    if first < at:  # it was asked before the text
        pieces += [between, tokens[first:until], between, *again, tokens[at:]]
    elif last == len(tokens) or forms.text(tokens[at:last]).rstrip().endswith(b":"):  # "Answer:" must be the end
        pieces += [tokens[at:last], between, *again, tokens[first:]]
    else:
        pieces += [tokens[at:last], between, *again, tokens[last:]]
    return np.concatenate(pieces)


def _joined(tokens: NDArray[np.int32], spans: Sequence[Range], between: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    pieces = [piece for start, end in spans for piece in (tokens[start:end], between)]
    return pieces[:-1]
