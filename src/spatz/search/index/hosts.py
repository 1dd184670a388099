"""Other people's servers, asked politely: within robots.txt, no faster than they wish, and not again when they refuse.

All that the index gets from the network comes through here, and through inputs/fetch.py, which lets nothing reach the
operator's own network. What robots.txt says is kept for one run.
"""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

from spatz.inputs.document import InputError
from spatz.inputs.fetch import ANYTHING, Fetched, Fetcher, FetchRefused, Known
from spatz.search.host_limits import HostLimits, retry_seconds
from spatz.search.index import robots
from spatz.search.index.robots import EVERYTHING, NOTHING, Robots

__all__ = ["Disallowed", "Hosts"]

LONGEST_DELAY = 30.0  # seconds between two pages that a site may ask for; one that asks for more is not walked through
TRIES = 2  # for a page whose host says that it is asked too often


class Disallowed(InputError):
    """The site asks programs to leave it alone."""


class Hosts:
    def __init__(self, fetcher: Fetcher, *, rate: float) -> None:
        """rate: pages of one host in a second."""
        self._fetcher = fetcher
        self._limits = HostLimits(rate)
        self._robots: dict[str, asyncio.Task[Robots]] = {}
        self._due: dict[str, float] = {}  # where a site wishes for more time between pages

    async def close(self) -> None:
        for task in self._robots.values():
            task.cancel()
        await asyncio.gather(*self._robots.values(), return_exceptions=True)

    async def robots(self, url: str) -> Robots:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._robots:
            self._robots[origin] = asyncio.create_task(self._ask_robots(origin))
        return await asyncio.shield(self._robots[origin])

    async def get(self, url: str, *, max_bytes: int, known: Known | None = None) -> Fetched:
        """Raises InputError: Disallowed, FetchRefused, and what inputs/fetch.py raises."""
        rules = await self._allowed(url)
        host = urlsplit(url).netloc
        for tries in range(1, TRIES + 1):
            await self._turn(host, rules.delay)
            try:
                found = await self._fetcher.fetch(url, ANYTHING, max_bytes=max_bytes, known=known)
                break
            except FetchRefused as error:
                if error.answered not in (429, 503) or tries == TRIES:
                    raise
                self._limits.pause(host, retry_seconds(error.retry_after), time.monotonic())
        if urlsplit(found.url).netloc != host or found.url != url:
            await self._allowed(found.url)  # where it led to has a say as well
        return found

    async def _allowed(self, url: str) -> Robots:
        rules = await self.robots(url)
        if not rules.allows(url):
            raise Disallowed("the site's robots.txt does not allow it", code="robots")
        if rules.delay > LONGEST_DELAY:
            raise Disallowed(f"the site's robots.txt asks for {rules.delay:g} seconds between pages", code="robots")
        return rules

    async def _turn(self, host: str, delay: float) -> None:
        now = time.monotonic()
        seconds = self._limits.take(host, now)
        if delay:
            seconds = max(seconds, self._due.get(host, now) - now)
            self._due[host] = now + seconds + delay
        if seconds > 0:
            await asyncio.sleep(seconds)

    async def _ask_robots(self, origin: str) -> Robots:
        """RFC 9309, 2.3.1: no such file allows everything; a server that does not answer allows nothing."""
        try:
            found = await self._fetcher.fetch(f"{origin}/robots.txt", ANYTHING, max_bytes=8 * robots.MOST_BYTES)
        except FetchRefused as error:
            return EVERYTHING if 400 <= error.answered < 500 and error.answered != 429 else NOTHING
        except InputError as error:
            if error.code in ("url_not_allowed", "invalid_url"):
                return EVERYTHING  # nor will the pages be fetched, and they say why
            return NOTHING
        return robots.parse(found.data)
