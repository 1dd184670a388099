"""Stop strings in a text that arrives in pieces.

Sits between the detokenizer and the stream of one choice. One Knuth-Morris-Pratt automaton per stop string, fed
character by character: what is held back is exactly what could still become a stop string, the cost per character is
constant for any stop string, and the outcome does not depend on where the tokens' borders fall. The first stop string
to be complete wins, the longest of those that are complete at the same character.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["StopMatcher"]


class StopMatcher:
    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [(stop, _failure(stop)) for stop in sorted(set(stops), key=len, reverse=True)]
        self._states = [0] * len(self._stops)
        self._held = ""

    @property
    def held(self) -> int:
        """Characters fed but neither given out nor matched."""
        return len(self._held)

    def feed(self, text: str) -> tuple[str, bool]:
        """The text that is safe to give out, and whether a stop string was completed (which ends the matter)."""
        states = self._states
        for end, char in enumerate(text, 1):
            for i, (stop, failure) in enumerate(self._stops):
                state = states[i]
                while state and stop[state] != char:
                    state = failure[state - 1]
                if stop[state] == char:
                    state += 1
                if state == len(stop):
                    seen = self._held + text[:end]
                    self._held = ""
                    return seen[: len(seen) - len(stop)], True
                states[i] = state
        seen = self._held + text
        safe = len(seen) - max(states, default=0)
        self._held = seen[safe:]
        return seen[:safe], False

    def flush(self) -> str:
        """The text ends here: what was held back after all."""
        held, self._held = self._held, ""
        return held


def _failure(stop: str) -> list[int]:
    """For each prefix of `stop`, the length of its longest proper border."""
    table = [0] * len(stop)
    length = 0
    for i in range(1, len(stop)):
        while length and stop[i] != stop[length]:
            length = table[length - 1]
        if stop[i] == stop[length]:
            length += 1
        table[i] = length
    return table
