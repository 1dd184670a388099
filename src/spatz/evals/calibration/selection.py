"""Which heads to keep: the smallest set that finds as much as all of them, and of such sets a low one.

Decides by numbers alone: a ranking of heads, and a function that says how much is found with a set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tried", "choose", "depth_of", "enough", "rank", "sizes_for", "top"]

SIZES = (4, 8, 12, 16, 20, 24, 32, 48)
QUICK_SIZES = (8, 16, 24, 48)
SLACK = 1  # needles that a set may find less than all heads

Heads = tuple[int, ...]  # layer * kv_heads + head


@dataclass(frozen=True, slots=True)
class Tried:
    """What was found with a set of heads."""

    heads: Heads
    depth: int  # layers that all of a prompt has to be run through
    found: int
    asked: int
    tokens_per_second: float = 0.0  # at which the prompt was read


def rank(shares: NDArray[np.float64], window: Sequence[int]) -> Heads:
    """All heads that may see far, the best first. shares: [layers, kv_heads]; window: [layers], 0: full attention."""
    kv_heads = shares.shape[1]
    order = np.argsort(-shares.reshape(-1), kind="stable").tolist()
    return tuple(head for head in order if window[head // kv_heads] == 0)


def top(ranking: Heads, size: int, kv_heads: int, below: int | None = None) -> Heads:
    """The first `size` of the ranking that are in layers below `below`; fewer where there are no more."""
    return tuple(head for head in ranking if below is None or head // kv_heads < below)[:size]


def depth_of(heads: Heads, kv_heads: int) -> int:
    return max(heads) // kv_heads + 1


def sizes_for(count: int, sizes: Sequence[int]) -> list[int]:
    """Those that are less than all `count` heads, in order."""
    return [size for size in sorted(sizes) if size < count]


def enough(tried: Tried, all_heads: Tried) -> bool:
    return tried.found >= all_heads.found - SLACK


def choose(
    ranking: Heads, kv_heads: int, sizes: Sequence[int], run: Callable[[Heads], Tried], *, thorough: bool = True
) -> tuple[Tried, list[Tried]]:
    """The set to keep, and all that were tried, in order. thorough: every size is tried, for the curve.

    First all heads; then more and more of the best, of which the smallest that is enough is taken. Then sets of that
    size without the highest layers, as long as they are enough: the layers above a set are run for the end of a prompt
    only, so that lower ones are faster.
    """
    everything = run(ranking)
    tried = [everything]
    if everything.found == 0:
        return everything, tried
    best = everything
    for size in sizes_for(len(ranking), sizes):
        one = run(top(ranking, size, kv_heads))
        tried.append(one)
        if best is everything and enough(one, everything):
            best = one
            if not thorough:
                break
    while True:
        lower = top(ranking, len(best.heads), kv_heads, below=best.depth - 1)
        if len(lower) < len(best.heads):
            return best, tried
        one = run(lower)
        tried.append(one)
        if not enough(one, everything):
            return best, tried
        best = one
