"""Who gets how much of a step: a chunk's tokens among prompts, and the turns of background answers beside live ones.

Called by the scheduler, whose docstring has the rules. Nothing here changes a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence as Many

from spatz.engine.sequence import Sequence

__all__ = ["Order", "Turns", "share_chunk"]

Order = tuple[int, int, int]


def share_chunk(prompts: Many[Sequence], budget: int, scored: int, guest: int, *, busy: bool) -> dict[Order, int]:
    """How many tokens each prompt may run in this step. prompts: in order, at least one.

    scored: the most tokens of a prompt whose own log-probabilities are wanted. guest: what the oldest of the prompts
    that are longer than the native context gets beside others, or beside answers (busy); the rest of those wait.
    """
    guests = [sequence for sequence in prompts if sequence.routed is not None and sequence.routed.streams]
    if guests and (busy or len(guests) < len(prompts)):
        shares = dict.fromkeys((sequence.order for sequence in guests), 0)
        shares[guests[0].order] = min(guest, budget)
        others = [sequence for sequence in prompts if sequence.order not in shares]
        return shares | (_among_all(others, budget, scored) if others else {})
    return _among_all(prompts, budget, scored)


def _among_all(prompts: Many[Sequence], budget: int, scored: int) -> dict[Order, int]:
    live = [sequence for sequence in prompts if sequence.group.live]
    shares = _among_equals(live, budget, scored) if live else {}
    if len(live) < len(prompts):
        shares |= _among_equals(prompts[len(live) :], budget - sum(shares.values()), scored)
    return shares


def _among_equals(prompts: Many[Sequence], budget: int, scored: int) -> dict[Order, int]:
    """Of one priority: half for the oldest, the rest for the shortest, what is left for the oldest again."""
    oldest = prompts[0]
    own = min(_want(oldest, scored), budget if len(prompts) == 1 else -(-budget // 2))
    left = budget - own
    shares = {}
    for sequence in sorted(prompts[1:], key=lambda s: (s.remaining, s.order)):
        shares[sequence.order] = min(_want(sequence, scored), left)
        left -= shares[sequence.order]
    shares[oldest.order] = min(_want(oldest, scored), own + left)
    return shares


def _want(sequence: Sequence, scored: int) -> int:
    if sequence.group.scored < len(sequence.group.prompt) - 1:
        return min(sequence.remaining, scored)
    return sequence.remaining


class Turns:
    """Background answers take turns where there are more of them than may run beside live ones."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._first = 0

    def resting(self, running: Many[Sequence], background: Many[Sequence]) -> frozenset[Sequence]:
        """Those that get no token in this step. running: all sequences, in order; background: those that would."""
        if len(background) <= self._most or not running[0].group.live:
            return frozenset()
        self._first = (self._first + self._most) % len(background)
        return frozenset([*background[self._first :], *background[: self._first]][self._most :])
