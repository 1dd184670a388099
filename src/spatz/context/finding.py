"""What in a long text a question is about: its words are searched for, and the passages that say most of them given.

Where no passage says nearly all of them, the question's names are followed instead (trail.py): variable tracking over
16,384 tokens finds the whole chain, not an eighth of it, and a question that one passage answers loses nothing.

Sits between the question and those who read the passages: skim, which runs nothing else of the text, and routed, which
brings what was kept of them near.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatz import _core
from spatz.context.passages import best_passages
from spatz.context.question import FRAME_WEIGHT, Question
from spatz.context.ranges import Range, places_within
from spatz.context.trail import follow_names
from spatz.context.word_forms import WordForms
from spatz.context.word_search import WordSearch

__all__ = ["MANY", "find_passages"]

MANY = 16  # passages at most
WORDS = 40  # of a long question that are looked for; each is a search through the whole text
WHOLE = 0.9  # of the words, by weight, that answer a question where they stand together
BLOCK = 64  # tokens, of the index over token ids that is asked where no word is found


def find_passages(
    tokens: NDArray[np.int32], question: Question, search: WordSearch, forms: WordForms, vocab: int
) -> list[Range]:
    """Ranges of the question's long texts, best first, none touching another; none where nothing is found.

    tokens: [n] the whole prompt. search: over the same tokens.
    """
    telling = [(weight, len(word), word) for word, weight in question.words if weight > FRAME_WEIGHT]
    telling.sort(reverse=True)  # long words are rarer
    found = [(places_within(search.find(word), question.long), weight) for weight, _, word in telling[:WORDS]]
    if any(len(places) for places, _ in found):
        passages, share = best_passages(tokens, question.long, found, forms, MANY)
        return (follow_names(tokens, question, search, forms, MANY) if share < WHOLE else []) or passages
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
