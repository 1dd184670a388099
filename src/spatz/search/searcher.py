"""All providers asked at once, and what they find as one list.

Each has its time; who is late, refuses or fails is named in a report, and the others serve. Equal questions that are
asked at the same time are asked once, and answers are kept for a while. Nothing is fetched or read here
(`page_reader.py`), and nothing is known here of any provider's API (`providers/`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from spatz.search.merge import merged
from spatz.search.published import too_old
from spatz.search.query import SearchQuery
from spatz.search.result import Found, Provider, ProviderError, ProviderReport, SearchResult
from spatz.search.urls import allowed, is_web

__all__ = ["Searcher"]

MAX_CACHED = 512  # answers of one provider to one query
# Answers from the disk at once, and what it has indexed changes beside us.
_NEVER_CACHED = frozenset({"local"})

logger = logging.getLogger("spatz.search")

_Key = tuple[str, SearchQuery]
_Results = tuple[SearchResult, ...]


@dataclass(slots=True)
class _Flight:
    """A call to a provider that is under way, and how many wait for it."""

    task: asyncio.Task[list[SearchResult]]
    waiting: int = 0


class Searcher:
    """One per process. search() may be called by many at once."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        seconds: float,
        cache_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """seconds: for each provider, where a search says nothing else. clock is what tests put in."""
        self.providers = tuple(providers)
        self._seconds = seconds
        self._cache_seconds = cache_seconds
        self._clock = clock
        self._cached: OrderedDict[_Key, tuple[float, _Results]] = OrderedDict()
        self._flights: dict[_Key, _Flight] = {}

    async def search(self, query: SearchQuery, *, seconds: float | None = None) -> Found:
        return await self.search_all([query], seconds=seconds)

    async def search_all(self, queries: Sequence[SearchQuery], *, seconds: float | None = None) -> Found:
        """The queries' results merged, and one report for each provider. Found's query is the first one.

        Raises ValueError without a query, and nothing for what providers do.
        """
        if not queries:
            raise ValueError("nothing is searched for")
        limit = self._seconds if seconds is None else seconds
        distinct = [query for query in dict.fromkeys(map(_normal, queries)) if query.text]
        asked = [(provider, query) for query in distinct for provider in self.providers]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask(provider, query, limit)) for provider, query in asked]
        answers = [task.result() for task in tasks]
        lists = [(report.name, results) for results, report in answers]
        return Found(
            query=queries[0],
            results=merged(lists),
            reports=tuple(
                _together([report for _, report in answers if report.name == provider.name])
                for provider in (self.providers if distinct else ())
            ),
        )

    async def _ask(self, provider: Provider, query: SearchQuery, seconds: float) -> tuple[_Results, ProviderReport]:
        """What one provider finds that the query allows, and how it went."""
        began = self._clock()
        results: _Results = ()
        error = ""
        try:
            async with asyncio.timeout(seconds):
                results = await self._answer(provider, query)
        except TimeoutError:
            error = f"took longer than {seconds:.3g} s"
        except ProviderError as failure:
            error = str(failure)
        except Exception as failure:  # of a library beneath it: the others serve all the same
            # Without its text, which may hold the URL and, with it, a key.
            logger.warning("searching with %s failed: %s", provider.name, type(failure).__name__)
            error = f"failed unexpectedly ({type(failure).__name__})"
        if error:
            logger.info("searching: %s %s", provider.name, error)
        kept = tuple(result for result in results if _wanted(result, query))
        return kept, ProviderReport(provider.name, len(kept), self._clock() - began, error)

    async def _answer(self, provider: Provider, query: SearchQuery) -> _Results:
        key = (provider.name, query)
        if (cached := self._from_cache(key)) is not None:
            return cached
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(provider.search(query)))
            flight.task.add_done_callback(_retrieved)
        flight.waiting += 1
        try:
            results = tuple(await asyncio.shield(flight.task))
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()  # nobody waits for it any more
                if self._flights.get(key) is flight:
                    del self._flights[key]
        self._to_cache(key, results)
        return results

    def _from_cache(self, key: _Key) -> _Results | None:
        expires, results = self._cached.get(key, (0.0, ()))
        if not results:
            return None
        if expires <= self._clock():
            del self._cached[key]
            return None
        self._cached.move_to_end(key)
        return results

    def _to_cache(self, key: _Key, results: _Results) -> None:
        """Nothing found is not kept: with some providers it means that they were busy."""
        if not results or self._cache_seconds <= 0 or key[0] in _NEVER_CACHED:
            return
        self._cached[key] = (self._clock() + self._cache_seconds, results)
        self._cached.move_to_end(key)
        while len(self._cached) > MAX_CACHED:
            self._cached.popitem(last=False)


def _normal(query: SearchQuery) -> SearchQuery:
    return replace(query, text=" ".join(query.text.split()))


def _wanted(result: SearchResult, query: SearchQuery) -> bool:
    """What a provider cannot filter, or has not filtered, is filtered here."""
    if result.text is None and not is_web(result.url):
        return False
    return allowed(result.url, query.domains, query.blocked_domains) and not too_old(result.date, query.freshness)


def _together(reports: Sequence[ProviderReport]) -> ProviderReport:
    """A provider's reports of several queries as one."""
    return ProviderReport(
        name=reports[0].name,
        results=sum(report.results for report in reports),
        seconds=max(report.seconds for report in reports),
        error="; ".join(dict.fromkeys(report.error for report in reports if report.error)),
    )


def _retrieved(task: asyncio.Task[list[SearchResult]]) -> None:
    """So that a failure that nobody waited for is no warning of asyncio's."""
    if not task.cancelled():
        task.exception()
