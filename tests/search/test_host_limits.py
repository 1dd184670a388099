"""How often a host may be asked."""

from __future__ import annotations

import pytest

from spatz.search.host_limits import MOST_HOSTS, PAUSE, HostLimits, retry_seconds


def test_a_seconds_worth_comes_at_once_and_then_one_after_another() -> None:
    limits = HostLimits(4.0)
    assert [limits.take("a", 100.0) for _ in range(6)] == [0, 0, 0, 0, 0.25, 0.5]
    assert limits.take("b", 100.0) == 0
    assert limits.wait("a", 200.0) == 0


def test_a_slow_rate_lets_one_through() -> None:
    limits = HostLimits(0.1)
    assert [limits.take("a", 0.0), limits.take("a", 0.0)] == [0, 10]


def test_a_host_that_pauses_is_left_alone_and_no_other() -> None:
    limits = HostLimits(100.0)
    limits.pause("a", 30.0, 0.0)
    assert limits.wait("a", 10.0) == 20 and limits.wait("b", 10.0) == 0 and limits.wait("a", 31.0) == 0
    limits.pause("a", 1e9, 0.0)
    assert limits.wait("a", 0.0) == 600


def test_what_is_remembered_of_hosts_is_bounded() -> None:
    limits = HostLimits(1.0)
    for number in range(MOST_HOSTS + 50):
        limits.take(f"h{number}", 0.0)
        limits.pause(f"h{number}", 5, 0.0)
    assert len(limits._next) <= MOST_HOSTS and len(limits._paused) <= MOST_HOSTS


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), ("", PAUSE), ("Wed, 21 Oct 2026 07:28:00 GMT", PAUSE), ("-1", PAUSE)]
)
def test_what_a_server_says(text: str, seconds: float) -> None:
    assert retry_seconds(text) == seconds
