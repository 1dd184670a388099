"""How often other people's servers are asked, for all requests together: so many pages a second from one host.

Pure accounts over a clock that the caller reads: who has to wait is told for how long, and waits elsewhere.
"""

from __future__ import annotations

import re

__all__ = ["HostLimits", "retry_seconds"]

MOST_HOSTS = 10_000  # that are remembered
PAUSE = 30.0  # seconds for a host that asks to be left alone and does not say for how long
LONGEST_PAUSE = 600.0


class HostLimits:
    def __init__(self, rate: float) -> None:
        """rate: a host's pages in a second; what it allows in one second may also come at once."""
        self._step = 1 / rate
        self._ahead = max(1.0, rate) * self._step - self._step  # seconds of it that may be used up in advance
        self._next: dict[str, float] = {}  # host -> when its next page is due, if they come evenly
        self._paused: dict[str, float] = {}  # host -> until when

    def wait(self, host: str, now: float) -> float:
        """Seconds until the host may be asked."""
        due = self._next.get(host, now) - self._ahead
        return max(0.0, due - now, self._paused.get(host, now) - now)

    def take(self, host: str, now: float) -> float:
        """The same, and the place is taken: whoever comes next waits longer."""
        seconds = self.wait(host, now)
        self._next[host] = max(self._next.get(host, now), now) + self._step
        self._forget(now)
        return seconds

    def pause(self, host: str, seconds: float, now: float) -> None:
        """The host has said that it is asked too often."""
        self._paused[host] = max(self._paused.get(host, now), now + min(seconds, LONGEST_PAUSE))
        self._forget(now)

    def _forget(self, now: float) -> None:
        for times in (self._next, self._paused):
            if len(times) <= MOST_HOSTS:
                continue
            for host in [host for host, until in times.items() if until <= now]:
                del times[host]
            while len(times) > MOST_HOSTS:
                del times[next(iter(times))]


def retry_seconds(text: str) -> float:
    """Of a Retry-After header; a date in it is rare, and answered with the usual pause."""
    return float(text) if re.fullmatch(r"\d{1,6}", text) else PAUSE
