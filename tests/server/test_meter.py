"""Charges: every reservation is settled or given back, once, and an API request is counted once."""

from __future__ import annotations

from spatz.engine.request import Request, SamplingParams, Usage
from spatz.engine.stats import EngineStats
from spatz.server.caller import Caller, Limits
from spatz.server.limits import Limiter
from spatz.server.meter import Meter
from spatz.server.metrics import Metrics

CALLER = Caller("key_a", limits=Limits(tokens_per_minute=1000, max_concurrent=3))
REQUEST = Request([1] * 10, SamplingParams(max_tokens=90))


class Desk:
    """A meter, what it counts, and what is left in the bucket."""

    def __init__(self) -> None:
        self.limiter = Limiter("m", 4096, clock=lambda: 0.0)
        self.counted: list[tuple[str, Usage, int]] = []
        self.ticket = self.limiter.admit(CALLER)
        metrics = Metrics(lambda: EngineStats(*[0] * 13))
        self.meter = Meter(metrics, CALLER, [self._count], self.ticket)

    def _count(self, caller: Caller, usage: Usage, requests: int) -> None:
        self.counted.append((caller.owner, usage, requests))

    @property
    def left(self) -> int:
        return int(dict(self.limiter.headers(CALLER))[b"x-ratelimit-remaining-tokens"])


def test_settled_once() -> None:
    desk = Desk()
    first, second = desk.meter.admit([REQUEST, REQUEST])
    assert desk.left == 800
    for _ in range(2):
        first.settle(Usage(10, 30, 0))
    first.drop()
    assert desk.left == 860
    second.settle(Usage(10, 190, 0))
    assert desk.left == 760
    assert desk.counted == [("key_a", Usage(10, 30, 0), 1), ("key_a", Usage(10, 190, 0), 0)]


def test_dropped_once() -> None:
    desk = Desk()
    (charge,) = desk.meter.admit([REQUEST])
    for _ in range(2):
        charge.drop()
    charge.settle(Usage(10, 30, 0))
    assert desk.left == 1000
    assert desk.counted == []


def test_what_has_begun_waits_for_its_usage() -> None:
    desk = Desk()
    first, second = desk.meter.admit([REQUEST, REQUEST])
    with first:
        pass
    first.drop_unless_begun()
    second.drop_unless_begun()
    assert desk.left == 900
    first.settle(Usage(10, 1, 0))
    assert desk.left == 989


def test_work_holds_the_place_of_its_request() -> None:
    desk = Desk()
    assert desk.ticket is not None
    account = desk.ticket._account
    first, second = desk.meter.admit([REQUEST, REQUEST])
    with first, second:
        assert account.running == 1
        desk.ticket.release()  # the gate
        assert account.running == 1
    assert account.running == 0


def test_without_a_ticket_it_only_counts() -> None:
    desk = Desk()
    meter = Meter(Metrics(lambda: EngineStats(*[0] * 13)), CALLER, [desk._count])
    (charge,) = meter.admit([REQUEST])
    with charge:
        charge.settle(Usage(10, 1, 0))
    assert desk.left == 1000
    assert desk.counted == [("key_a", Usage(10, 1, 0), 1)]
