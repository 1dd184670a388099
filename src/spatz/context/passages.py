"""Which passages of a long text say most of what is looked for: its words, weighted by rarity, near together.

Sits between word_search.py, which knows where the words stand, and skim.py, which puts the passages into a prompt. The
text is seen as cells of a few tokens; each gets the weight of every word in it, and some of that of words around it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatz.context.word_forms import WordForms

__all__ = ["best_passages", "to_borders"]

CELL = 16  # tokens
NEAR = (0.9, 0.7, 0.4)  # of a word's weight that counts for the cells that are 1, 2 and 3 beside it
BLOCK = 4  # cells in which a word is counted once, to tell how rare it is
CLOSE = 0.7  # of the best passage's weight, from which on others are read, too
LINE = 48  # tokens that a sentence or line may go on before and behind the words that were found in it


def best_passages(
    tokens: NDArray[np.int32],
    long: Sequence[tuple[int, int]],
    found: Sequence[tuple[NDArray[np.int64], float]],
    forms: WordForms,
    most: int,
) -> tuple[list[tuple[int, int]], float]:
    """The best at most `most` passages within the ranges `long` of tokens: [n], best first, none touching another; and
    what part of all that is looked for stands in the best of them, by weight.

    found: for each word, the tokens of those ranges at which it begins, in order, and its weight.
    """
    hits = [places for places, _ in found]
    weights = _rarity(hits, [weight for _, weight in found], -(-len(tokens) // CELL))
    scores = _scores(hits, weights, -(-len(tokens) // CELL))
    if not len(scores) or scores.max() <= 0:
        return [], 0.0
    share = float(scores.max()) / float(weights.sum())
    everywhere = np.unique(np.concatenate(hits))
    least = CLOSE * float(scores.max())
    passages: list[tuple[int, int]] = []
    reach = len(NEAR)
    while len(passages) < most:
        cell = int(scores.argmax())
        if float(scores[cell]) < least:
            break
        first, last = np.searchsorted(everywhere, [(cell - reach) * CELL, (cell + reach + 1) * CELL])
        near = everywhere[first:last]
        home = next(span for span in long if any(span[0] <= place < span[1] for place in near.tolist()))
        near = near[(near >= home[0]) & (near < home[1])]
        start, end = to_borders(tokens, int(near[0]), int(near[-1]) + 1, home, forms)
        for other in passages:  # what it shares with a better one is read already
            if start < other[1] and other[0] < end:
                start, end = (other[1], end) if start >= other[0] else (start, other[0])
        if start < end:
            passages.append((start, end))
        scores[max(0, cell - reach) : cell + reach + 1] = 0.0
        scores[start // CELL : -(-end // CELL)] = 0.0
    return passages, share


def to_borders(
    tokens: NDArray[np.int32], start: int, end: int, within: tuple[int, int], forms: WordForms
) -> tuple[int, int]:
    """The range grown to the nearest ends of lines or sentences, or by half of LINE where there is none near."""
    low, high = max(within[0], start - LINE), min(within[1], end + LINE)
    cuts = low + 1 + np.flatnonzero(_cuts(tokens[low : min(within[1], high + 1)], forms))
    before = cuts[cuts <= start]
    behind = cuts[cuts >= end]
    first = int(before[-1]) if len(before) else (low if low == within[0] else max(low, start - LINE // 2))
    last = int(behind[0]) if len(behind) else (high if high == within[1] else min(high, end + LINE // 2))
    return first, last


def _cuts(near: NDArray[np.int32], forms: WordForms) -> NDArray[np.bool_]:  # [len(near) - 1]
    """Whether a line or sentence ends with each token but the last."""
    line = forms.breaks_line[near[:-1]]
    return line | (forms.ends_sentence[near[:-1]] & forms.begins_apart[near[1:]])


def _rarity(hits: Sequence[NDArray[np.int64]], weights: Sequence[float], cells: int) -> NDArray[np.float64]:  # [words]
    """How much each word tells."""
    blocks = -(-cells // BLOCK)
    counts = np.array([len(np.unique(places // (CELL * BLOCK))) for places in hits], np.float64)
    tells: NDArray[np.float64] = np.where(counts > 0, np.log1p((blocks - counts + 0.5) / (counts + 0.5)), 0.0)
    tells *= np.array(weights)
    return tells


def _scores(
    hits: Sequence[NDArray[np.int64]], weights: NDArray[np.float64], cells: int
) -> NDArray[np.float32]:  # [cells]
    scores = np.zeros(cells, np.float32)
    for places, weight in zip(hits, weights.tolist(), strict=True):
        own = np.unique(places // CELL)
        share = np.zeros(cells, np.float32)
        for distance in range(len(NEAR), 0, -1):
            share[own[own >= distance] - distance] = NEAR[distance - 1]
            share[own[own < cells - distance] + distance] = NEAR[distance - 1]
        share[own] = 1.0
        scores += np.float32(weight) * share
    return scores
