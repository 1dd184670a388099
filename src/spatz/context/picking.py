"""Which pieces of a text to look up: those that share the query's rare words, with their neighbours.

Sits between the inverted index and what reads the pieces. Only the best passage is taken, and others that match as well
or nearly so: a small model is misled by passages that look like the right one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatz import _core

__all__ = ["pick_pieces", "pick_recent"]

CLOSE = 0.85  # of the best passage's score, which others must reach
MOST = 4  # passages
BESIDE = 0.5  # how much the better neighbour's score counts: what is sought may lie across a border
RARE = 1 / 64  # of all pieces: a token that is in more says nothing


def pick_pieces(
    index: _core.TokenIndex,
    terms: NDArray[np.int32],
    weights: NDArray[np.float32],
    groups: NDArray[np.int32],
    span: tuple[int, int],
    said: NDArray[np.int32],
) -> list[int]:
    """For a question: ascending, an even number where there are that many. span: pieces [first, last) that may be."""
    first, last = span
    if last <= first or not len(terms):
        return []
    joint = _joint(index.score(terms, weights), first, last)
    best = float(joint.max(initial=0.0))
    if best <= 0.0:
        return []
    order = np.argsort(-joint, kind="stable")[:MOST]
    pieces = {p for at in order.tolist() if joint[at] >= CLOSE * best for p in range(at - 1, at + 2)}
    return _even(sorted(p + first for p in pieces if 0 <= p < last - first), first, last)


def pick_recent(index: _core.TokenIndex, recent: NDArray[np.int32], span: tuple[int, int], passages: int) -> list[int]:
    """For what was just read: where the same rare tokens were, and how it went on there."""
    first, last = span
    if last <= first or passages <= 0:
        return []
    terms, counts = np.unique(recent, return_counts=True)
    limit = max(4.0, RARE * index.blocks)
    rare = np.array([index.block_count(int(term)) <= limit for term in terms], bool)
    if not rare.any():
        return []
    joint = _joint(index.score(terms[rare].astype(np.int32), np.sqrt(counts[rare]).astype(np.float32)), first, last)
    order = np.argsort(-joint, kind="stable")[:passages]
    pieces = {p for at in order.tolist() if joint[at] > 0.0 for p in (at, at + 1)}
    return _even(sorted(p + first for p in pieces if p < last - first), first, last)


def _joint(scores: NDArray[np.float32], first: int, last: int) -> NDArray[np.float32]:
    own = scores[first:last]
    beside = np.maximum(np.append(own[1:], 0.0), np.insert(own[:-1], 0, 0.0))
    joint: NDArray[np.float32] = own + np.float32(BESIDE) * beside.astype(np.float32)
    return joint


def _even(pieces: list[int], first: int, last: int) -> list[int]:
    """One more neighbour where the number is odd: two pieces fill a page."""
    if len(pieces) % 2:
        chosen = set(pieces)
        spare = next((p for p in (pieces[-1] + 1, pieces[0] - 1) if first <= p < last and p not in chosen), None)
        if spare is None:
            spare = next((p for p in range(first, last) if p not in chosen), None)
        if spare is None:
            return pieces[1:]
        pieces = sorted([*pieces, spare])
    return pieces
