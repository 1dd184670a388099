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

from spatz.context.finding import MANY, find_passages
from spatz.context.question import Question
from spatz.context.ranges import Range, joined
from spatz.context.word_forms import WordForms, word_forms
from spatz.context.word_search import WordSearch

__all__ = ["Skimmed", "said_again", "skim"]

LEAST = 256  # tokens of room without which skimming makes no sense
ENDS = 256  # tokens of a text's beginning and of its end, which are read if nothing in it is found
AGAIN = 1024  # tokens of passages up to which they are said twice


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
    passages = find_passages(tokens, question, WordSearch(tokens, forms), forms, vocab)
    spans = _spans(question, passages, room)
    return Skimmed(_prompt(tokens, question, spans, forms, gap, room), tuple(spans), len(passages) or len(spans))


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
    return joined(spans)


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
    room -= sum(end - start for start, end in spans)
    return np.concatenate([*pieces, said_again(tokens, question, at, spans, forms, gap, room)[0]])


def said_again(
    tokens: NDArray[np.int32],
    question: Question,
    at: int,
    spans: Sequence[Range],
    forms: WordForms,
    gap: Sequence[int],
    room: int,
) -> tuple[NDArray[np.int32], bool]:
    """What comes behind the long texts: tokens[at:], and if they are short enough the passages and the question again.

    A small model that has read the question answers far better from what it reads then. room: tokens that this may add.
    Also whether the passages are in it.
    """
    between = np.array(gap, np.int32)
    last = question.asked_end
    first, until = question.asked[-1]
    size = sum(end - start for start, end in spans)
    if size + (until - first) + 2 * len(gap) > room:
        return tokens[at:], False
    if not spans or size > AGAIN:
        # What was asked before the text is far away from its answer.
        asked = [] if first >= at else [between, tokens[first:until], between]
        return np.concatenate([*asked, tokens[at:]]), False
    again = _joined(tokens, spans, between)
    if first < at:  # it was asked before the text
        pieces = [between, tokens[first:until], between, *again, tokens[at:]]
    elif last == len(tokens) or forms.text(tokens[at:last]).rstrip().endswith(b":"):  # "Answer:" must be the end
        pieces = [tokens[at:last], between, *again, tokens[first:]]
    else:
        pieces = [tokens[at:last], between, *again, tokens[last:]]
    return np.concatenate(pieces), True


def _joined(tokens: NDArray[np.int32], spans: Sequence[Range], between: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    pieces = [piece for start, end in spans for piece in (tokens[start:end], between)]
    return pieces[:-1]
