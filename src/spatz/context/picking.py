"""Which pieces of its own past a text is shown while it is run, and how ranges of it fill pages.

Sits between the inverted index, which grows with the text, and the far pages. What was just read is looked up by its
rare tokens, and only in what came before: a token never sees what the index knows of those behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatz import _core

__all__ = ["fill_up", "pick_recent"]

BESIDE = 0.5  # how much the better neighbour's score counts: what is sought may lie across a border
RARE = 1 / 64  # of all pieces: a token that is in more says nothing


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
    return sorted(p + first for p in pieces if p < last - first)


def _joint(scores: NDArray[np.float32], first: int, last: int) -> NDArray[np.float32]:
    own = scores[first:last]
    beside = np.maximum(np.append(own[1:], 0.0), np.insert(own[:-1], 0, 0.0))
    joint: NDArray[np.float32] = own + np.float32(BESIDE) * beside.astype(np.float32)
    return joint


def fill_up(ranges: Sequence[tuple[int, int]], first: int, last: int, size: int) -> list[tuple[int, int]]:
    """Ranges [begin, end) in order and disjoint, made longer within [first, last) until they fill pages of that size.

    The last one goes on, then the others; where the text has no more, the first of them loses its beginning.
    """
    filled = [[max(begin, first), min(end, last)] for begin, end in ranges if min(end, last) > max(begin, first)]
    if not filled:
        return []
    missing = -sum(end - begin for begin, end in filled) % size
    for i in range(len(filled) - 1, -1, -1):
        limit = filled[i + 1][0] if i + 1 < len(filled) else last
        more = min(missing, limit - filled[i][1])
        filled[i][1] += more
        missing -= more
    for i in range(len(filled)):
        limit = filled[i - 1][1] if i else first
        more = min(missing, filled[i][0] - limit)
        filled[i][0] -= more
        missing -= more
    spare = (size - missing) % size if missing else 0
    while spare:
        begin, end = filled[0]
        cut = min(spare, end - begin)
        spare -= cut
        filled[0][0] += cut
        if filled[0][0] == end:
            del filled[0]
    return [(begin, end) for begin, end in filled]
