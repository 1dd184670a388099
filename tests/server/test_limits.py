"""The buckets, with a clock that the test turns: what is let in when, and what the headers say of it."""

from __future__ import annotations

import pytest

from spatz.engine.request import Priority, Request, SamplingParams
from spatz.errors import RateLimitError
from spatz.server import limits
from spatz.server.caller import Caller, Limits
from spatz.server.limits import ASSUMED_OUTPUT, Limiter, Ticket, duration

CONTEXT = 4096


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter("fake-model", CONTEXT, clock)


def caller(requests: int = 0, tokens: int = 0, concurrent: int = 0, owner: str = "key_a") -> Caller:
    return Caller(owner, limits=Limits(requests, tokens, concurrent))


def admit(limiter: Limiter, who: Caller) -> Ticket:
    ticket = limiter.admit(who)
    assert ticket is not None
    return ticket


def headers(limiter: Limiter, who: Caller) -> dict[str, str]:
    return {name.decode().removeprefix("x-ratelimit-"): value.decode() for name, value in limiter.headers(who)}


def request(prompt: int, output: int | None, n: int = 1) -> Request:
    return Request([1] * prompt, SamplingParams(max_tokens=output, n=n))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-1, "0s"),
        (0.0001, "1ms"),
        (0.012, "12ms"),
        (0.9999, "1s"),
        (1, "1s"),
        (8.64, "8.64s"),
        (59.9991, "1m0s"),
        (60, "1m0s"),
        (86.4, "1m26.4s"),
        (360, "6m0s"),
        (3600, "1h0m0s"),
        (86_399.5, "23h59m59.5s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_requests_fill_up_evenly(limiter: Limiter, clock: Clock) -> None:
    who = caller(requests=3)
    for left in (2, 1, 0):
        limiter.admit(who)
        assert headers(limiter, who)["remaining-requests"] == str(left)
    with pytest.raises(RateLimitError) as caught:
        limiter.admit(who)
    error = caught.value
    assert (error.status, error.type, error.code) == (429, "requests", "rate_limit_exceeded")
    assert error.message == (
        "Rate limit reached for fake-model on requests per min (RPM): Limit 3, Used 3, Requested 1. "
        "Please try again in 20s."
    )
    assert error.retry_after == pytest.approx(20)
    assert headers(limiter, who) == {"limit-requests": "3", "remaining-requests": "0", "reset-requests": "1m0s"}
    clock.now += 19.9
    with pytest.raises(RateLimitError):
        limiter.admit(who)
    clock.now += 0.1
    limiter.admit(who)
    clock.now += 10_000
    assert headers(limiter, who) == {"limit-requests": "3", "remaining-requests": "3", "reset-requests": "0s"}


def test_a_refusal_costs_nothing(limiter: Limiter, clock: Clock) -> None:
    who = caller(requests=1)
    limiter.admit(who)
    for _ in range(50):
        with pytest.raises(RateLimitError):
            limiter.admit(who)
    clock.now += 60
    limiter.admit(who)


def test_tokens_are_taken_before_and_settled_after(limiter: Limiter, clock: Clock) -> None:
    who = caller(tokens=1000)
    ticket = admit(limiter, who)
    assert ticket.reserve([request(100, 300)]) == [400]
    assert headers(limiter, who) == {"limit-tokens": "1000", "remaining-tokens": "600", "reset-tokens": "24s"}
    with pytest.raises(RateLimitError) as caught:
        ticket.reserve([request(100, 300), request(100, 150)])
    assert caught.value.type == "tokens"
    assert caught.value.message == (
        "Rate limit reached for fake-model on tokens per min (TPM): Limit 1000, Used 400, Requested 650. "
        "Please try again in 3s."
    )
    assert headers(limiter, who)["remaining-tokens"] == "600"
    ticket.settle(400, 120)
    assert headers(limiter, who)["remaining-tokens"] == "880"


def test_what_was_not_declared_is_paid_afterwards(limiter: Limiter, clock: Clock) -> None:
    who = caller(tokens=1000)
    ticket = admit(limiter, who)
    assert ticket.reserve([request(10, None)]) == [10 + ASSUMED_OUTPUT]
    ticket.settle(10 + ASSUMED_OUTPUT, 2010)
    assert headers(limiter, who) == {"limit-tokens": "1000", "remaining-tokens": "0", "reset-tokens": "2m0.6s"}
    with pytest.raises(RateLimitError) as caught:
        limiter.admit(who)  # before anything is read or rendered
    assert caught.value.type == "tokens"
    assert caught.value.retry_after == pytest.approx(60.66)
    clock.now += 60.7
    limiter.admit(who)


@pytest.mark.parametrize(
    ("prompt", "output", "n", "tokens"),
    [
        (10, 20, 1, 30),
        (10, 20, 3, 70),
        (10, None, 2, 10 + 2 * ASSUMED_OUTPUT),
        (10, 0, 1, 10),
        (CONTEXT - 5, 32_768, 2, CONTEXT + 5),
        (CONTEXT + 9, 5, 1, CONTEXT + 9),
    ],
)
def test_what_a_request_declares(limiter: Limiter, prompt: int, output: int | None, n: int, tokens: int) -> None:
    assert limiter.bound(request(prompt, output, n)) == tokens


def test_what_never_fits_is_not_to_be_tried_again(limiter: Limiter) -> None:
    who = caller(tokens=100)
    ticket = admit(limiter, who)
    with pytest.raises(RateLimitError, match=r"^Request too large .* Limit 100, Requested 101\.") as caught:
        ticket.reserve([request(51, 50)])
    assert caught.value.retry_after is None
    assert ticket.reserve([request(50, 50)]) == [100]


def test_requests_at_once(limiter: Limiter) -> None:
    who = caller(concurrent=2, requests=10)
    first, second = admit(limiter, who), admit(limiter, who)
    with pytest.raises(RateLimitError, match=r"concurrent requests: Limit 2, Used 2, Requested 1") as caught:
        limiter.admit(who)
    assert caught.value.type == "requests"
    assert headers(limiter, who)["remaining-requests"] == "8"
    first.hold()  # the engine works for it
    first.release()  # the gate
    with pytest.raises(RateLimitError):
        limiter.admit(who)
    first.release()
    third = admit(limiter, who)
    first.hold()  # work in the background that begins when the answer has been sent
    second.release()
    with pytest.raises(RateLimitError):
        limiter.admit(who)
    first.release()
    third.release()
    for _ in range(2):
        limiter.admit(who)


def test_keys_do_not_disturb_each_other(limiter: Limiter) -> None:
    limiter.admit(caller(requests=1))
    limiter.admit(caller(requests=1, owner="key_b"))
    with pytest.raises(RateLimitError):
        limiter.admit(caller(requests=1))


def test_without_limits_there_is_nothing_to_say(limiter: Limiter) -> None:
    assert limiter.admit(caller()) is None
    assert limiter.headers(caller()) == []
    only = caller(concurrent=1)
    limiter.admit(only)
    assert limiter.headers(only) == []


def test_batches_are_not_limited(limiter: Limiter) -> None:
    line = Caller("key_a", priority=Priority.BACKGROUND, limits=Limits(1, 1, 1))
    for _ in range(5):
        assert limiter.admit(line) is None


def test_memory_is_bounded(limiter: Limiter, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_IDLE", 10)
    busy = admit(limiter, caller(requests=5, owner="busy"))
    for number in range(100):
        admit(limiter, caller(requests=5, owner=f"key_{number}")).release()
        clock.now += 60
    assert len(limiter._accounts) <= 11
    assert "busy" in limiter._accounts
    busy.release()
