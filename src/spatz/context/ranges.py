"""Ranges of a text's tokens, [start, end), as passages, areas and blocks of it are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Range", "joined", "places_within"]

Range = tuple[int, int]


def joined(ranges: Iterable[Range]) -> list[Range]:
    """The same tokens in order, in ranges that do not touch."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def places_within(places: NDArray[np.int64], ranges: Sequence[Range]) -> NDArray[np.int64]:
    """Of tokens in order, those that lie in ranges in order."""
    cuts = np.searchsorted(places, np.array(ranges))
    return np.concatenate([places[first:last] for first, last in cuts.tolist()])
