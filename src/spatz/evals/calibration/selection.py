"""Which heads to keep: the smallest set that finds as much as all of them, and of such sets a low one.

Decides by numbers alone: a ranking of heads, and a function that says how much is found with a set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tried", "choose", "depth_of", "enough", "low_limit", "rank", "sizes_for", "top"]

SIZES = (4, 8, 12, 16, 20, 24, 32, 48)
QUICK_SIZES = (8, 16, 24, 48)
SLACK = 1  # facts that a set may find less than all heads
MOST = 0.9  # of the attention to facts, for which layers have to be looked at; the highest hold the rest

Heads = tuple[int, ...]  # layer * kv_heads + head


@dataclass(frozen=True, slots=True)
class Tried:
    """What was found with a set of heads."""

    heads: Heads
    depth: int  # layers that all of a prompt has to be run through
    found: int
    asked: int
    tokens_per_second: float = 0.0  # at which the prompt was read
    below: int = 0  # they are the best heads of so many layers; 0: of all


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


def low_limit(shares: NDArray[np.float64], window: Sequence[int]) -> int:
    """The layers, from the first on, in whose heads lies all but a little of what is paid to facts."""
    by_layer = np.where(np.asarray(window) == 0, shares.sum(axis=1), 0.0)
    return int(np.searchsorted(np.cumsum(by_layer), MOST * by_layer.sum())) + 1


def choose(
    ranking: Heads,
    kv_heads: int,
    sizes: Sequence[int],
    run: Callable[[Heads], Tried],
    *,
    limit: int,
    thorough: bool = True,
) -> tuple[Tried, list[Tried]]:
    """The set to keep, and all that were tried, in order. limit: of layers, where those above hold little; see
    low_limit. thorough: every size is tried, for the curve.

    First all heads. Then more and more of the best below the limit, of which the smallest set that is enough is taken;
    where none is, the same of all layers. Then sets of that size without the highest layers, halving what is not known
    of how low they can lie: the layers above a set are run for the end of a prompt only, so that low ones are faster.
    """
    everything = run(ranking)
    tried = [everything]
    if everything.found == 0:
        return everything, tried
    best = None
    for below in dict.fromkeys((min(limit, everything.depth), everything.depth)):
        sets = [top(ranking, size, kv_heads, below) for size in sizes_for(len(ranking), sizes)]
        for heads in dict.fromkeys(sets):
            one = replace(run(heads), below=below)
            tried.append(one)
            if best is None and enough(one, everything):
                best = one
                if not thorough:
                    break
        if best is not None:
            break
    if best is None:
        return everything, tried
    lowest, depth = 0, best.depth  # too low, and low enough as far as is known
    while depth - lowest > 1:
        below = (lowest + depth) // 2
        lower = top(ranking, len(best.heads), kv_heads, below)
        if len(lower) < len(best.heads):
            lowest = below
            continue
        one = replace(run(lower), below=below)
        tried.append(one)
        if enough(one, everything):
            best, depth = one, one.depth
        else:
            lowest = below
    return best, tried
