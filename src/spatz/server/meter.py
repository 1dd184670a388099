"""What one API request costs: its times go to the metrics, its tokens to whoever counts them.

Routes make one per request and pass it down with the work; generate.py tells it what the engine reports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spatz.engine.request import Usage
from spatz.server.caller import Caller
from spatz.server.metrics import Metrics, Stopwatch

__all__ = ["Meter"]


class Meter:
    def __init__(
        self, metrics: Metrics, caller: Caller, counters: Sequence[Callable[[Caller, Usage], None]] = ()
    ) -> None:
        """counters: each is told (caller, usage) once per engine request that ended, in the event loop."""
        self.caller = caller
        self._metrics = metrics
        self._counters = counters

    def watch(self, choices: int) -> Stopwatch:
        return Stopwatch(self._metrics, choices)

    def count(self, usage: Usage) -> None:
        for counter in self._counters:
            counter(self.caller, usage)
