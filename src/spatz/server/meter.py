"""What one API request costs: its times go to the metrics, its tokens to whoever counts them.

Routes make one per request and pass it down with the work; generate.py asks it for leave before anything runs, and
tells it what the engine reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from spatz.engine.request import Request, Usage
from spatz.search.use import SearchUse
from spatz.server.caller import Caller
from spatz.server.limits import Ticket
from spatz.server.metrics import Metrics, Stopwatch

__all__ = ["Charge", "Counter", "Meter"]


class Counter(Protocol):
    def __call__(self, caller: Caller, usage: Usage, requests: int) -> None:
        """An engine request ended. requests: 1 for the first of an API request, 0 for its others."""


class Meter:
    def __init__(
        self, metrics: Metrics, caller: Caller, counters: Sequence[Counter] = (), ticket: Ticket | None = None
    ) -> None:
        """counters are called in the event loop. ticket: what the caller's limits are settled with."""
        self.caller = caller
        self.context: str | None = None  # how its prompts are read, from when that is known
        self._metrics = metrics
        self._counters = counters
        self._ticket = ticket
        self._counted = False

    def searched(self, use: SearchUse) -> None:
        self._metrics.searched(use)

    def watch(self, choices: int) -> Stopwatch:
        return Stopwatch(self._metrics, choices)

    def admit(self, requests: Sequence[Request]) -> list[Charge]:
        """Leave to run these, all or none. Raises RateLimitError where the caller has no tokens left for them."""
        reserved = [0] * len(requests) if self._ticket is None else self._ticket.reserve(requests)
        return [Charge(self, tokens) for tokens in reserved]

    def check(self, requests: Sequence[Request]) -> None:
        """As admit, and nothing is taken."""
        for charge in self.admit(requests):
            charge.drop()

    def count(self, usage: Usage) -> None:
        for counter in self._counters:
            counter(self.caller, usage, 0 if self._counted else 1)
        self._counted = True
        self._metrics.read(usage.context)


class Charge:
    """The tokens taken for one engine request, until it is known what it used."""

    def __init__(self, meter: Meter, reserved: int) -> None:
        self._meter = meter
        self._reserved = reserved
        self._begun = False
        self._settled = False

    def settle(self, usage: Usage) -> None:
        """To be called once, when the request has ended, in whatever way."""
        if not self._settled:
            self._close(usage.prompt_tokens + usage.completion_tokens)
            self._meter.count(usage)

    def drop(self) -> None:
        """The request failed: nothing was used."""
        if not self._settled:
            self._close(0)

    def drop_unless_begun(self) -> None:
        if not self._begun:
            self.drop()

    def _close(self, used: int) -> None:
        self._settled = True
        if self._meter._ticket is not None:
            self._meter._ticket.settle(self._reserved, used)

    def __enter__(self) -> None:
        """While it runs, the caller's request counts as under way."""
        self._begun = True
        if self._meter._ticket is not None:
            self._meter._ticket.hold()

    def __exit__(self, *error: object) -> None:
        if self._meter._ticket is not None:
            self._meter._ticket.release()
