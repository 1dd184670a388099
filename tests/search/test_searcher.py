"""Providers asked at once: those that fail or are late are named, equal questions are asked once, answers are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from spatz.search.query import SearchQuery
from spatz.search.result import Found, ProviderError, SearchResult
from spatz.search.searcher import Searcher

QUERY = SearchQuery("how are pages routed")


def results(*names: str) -> list[SearchResult]:
    return [SearchResult(f"https://a.org/{name}", name) for name in names]


class Scripted:
    """Gives what a test says, and notes what it was asked."""

    def __init__(
        self, name: str, gives: list[SearchResult] | Exception | Callable[[], Awaitable[list[SearchResult]]]
    ) -> None:
        self.name = name
        self.gives = gives
        self.asked: list[SearchQuery] = []
        self.cancelled = 0

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        self.asked.append(query)
        if isinstance(self.gives, Exception):
            raise self.gives
        if isinstance(self.gives, list):
            return self.gives
        try:
            return await self.gives()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def never() -> list[SearchResult]:
    await asyncio.Event().wait()
    return []


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def searcher(*providers: Scripted, cache_seconds: float = 60.0, clock: Clock | None = None) -> Searcher:
    return Searcher(providers, seconds=30.0, cache_seconds=cache_seconds, clock=clock or Clock())


async def settled() -> None:
    """Until what has been cancelled is over."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_all_find_is_merged() -> None:
    one, two = Scripted("one", results("a", "b")), Scripted("two", results("b", "c"))
    found = await searcher(one, two).search(QUERY)
    assert [(result.title, result.providers) for result in found.results] == [
        ("b", ("one", "two")),
        ("a", ("one",)),
        ("c", ("two",)),
    ]
    assert [(report.name, report.results, report.error) for report in found.reports] == [("one", 2, ""), ("two", 2, "")]
    assert found.query == QUERY


async def test_all_are_asked_at_once() -> None:
    """Each waits for the other: one after another, neither would end."""
    here, there = asyncio.Event(), asyncio.Event()

    async def first() -> list[SearchResult]:
        here.set()
        await there.wait()
        return results("a")

    async def second() -> list[SearchResult]:
        there.set()
        await here.wait()
        return results("b")

    found = await searcher(Scripted("one", first), Scripted("two", second)).search(QUERY)
    assert [result.title for result in found.results] == ["a", "b"]


async def test_those_that_fail_or_are_late_are_named_and_the_others_serve(caplog: pytest.LogCaptureFixture) -> None:
    late = Scripted("late", never)
    group = (
        Scripted("refused", ProviderError("refuses the key (401)")),
        late,
        Scripted("broken", KeyError("https://api.test/?key=secret")),
        Scripted("fine", results("a")),
    )
    found = await searcher(*group).search(QUERY, seconds=0.05)
    assert [result.title for result in found.results] == ["a"]
    assert {report.name: report.error for report in found.reports} == {
        "refused": "refuses the key (401)",
        "late": "took longer than 0.05 s",
        "broken": "failed unexpectedly (KeyError)",
        "fine": "",
    }
    assert late.cancelled == 1
    assert "KeyError" in caplog.text and "secret" not in caplog.text


async def test_nobody_to_ask_and_nothing_to_ask() -> None:
    empty = await searcher().search(QUERY)
    assert (empty.results, empty.reports) == ((), ())
    provider = Scripted("one", results("a"))
    assert (await searcher(provider).search(SearchQuery("  "))).results == () and provider.asked == []
    with pytest.raises(ValueError, match="nothing is searched for"):
        await searcher(provider).search_all([])


async def test_several_queries_have_one_list_and_one_report_for_each_provider() -> None:
    async def by_query() -> list[SearchResult]:
        return results("a", "b") if len(one.asked) == 1 else results("b", "c")

    one = Scripted("one", by_query)
    found = await searcher(one, Scripted("two", ProviderError("cannot be reached"))).search_all(
        [QUERY, SearchQuery("routing  of pages"), SearchQuery(" routing of pages ")]
    )
    assert [query.text for query in one.asked] == ["how are pages routed", "routing of pages"]
    assert [result.title for result in found.results] == ["b", "a", "c"]
    assert [(report.name, report.results, report.error) for report in found.reports] == [
        ("one", 4, ""),
        ("two", 0, "cannot be reached"),
    ]
    assert found.query == QUERY


async def test_answers_are_kept_until_they_expire() -> None:
    clock = Clock()
    provider = Scripted("one", results("a"))
    asking = searcher(provider, clock=clock)
    first = await asking.search(QUERY)
    clock.now = 59.0
    spaced = SearchQuery("  how are  pages routed ")
    assert await asking.search(spaced) == Found(spaced, first.results, first.reports)
    assert len(provider.asked) == 1
    await asking.search(SearchQuery(QUERY.text, freshness="day"))
    assert len(provider.asked) == 2  # another question
    clock.now = 60.0
    await asking.search(QUERY)
    assert len(provider.asked) == 3


async def test_neither_failures_nor_empty_answers_nor_the_local_index_are_kept() -> None:
    group = (Scripted("one", ProviderError("x")), Scripted("two", []), Scripted("local", results("a")))
    asking = searcher(*group)
    for _ in range(2):
        await asking.search(QUERY)
    assert [len(provider.asked) for provider in group] == [2, 2, 2]
    provider = Scripted("one", results("a"))
    asking = searcher(provider, cache_seconds=0)
    for _ in range(2):
        await asking.search(QUERY)
    assert len(provider.asked) == 2


async def test_the_oldest_answers_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatz.search.searcher.MAX_CACHED", 2)
    provider = Scripted("one", results("a"))
    asking = searcher(provider)
    for text in ("a", "b", "a", "c", "a", "b"):
        await asking.search(SearchQuery(text))
    assert [query.text for query in provider.asked] == ["a", "b", "c", "b"]


async def test_equal_questions_at_the_same_time_are_asked_once() -> None:
    goes_on = asyncio.Event()

    async def slow() -> list[SearchResult]:
        await goes_on.wait()
        return results("a")

    provider = Scripted("one", slow)
    asking = searcher(provider, cache_seconds=0)
    async with asyncio.TaskGroup() as group:
        searches = [group.create_task(asking.search(QUERY)) for _ in range(3)]
        await settled()
        goes_on.set()
    assert [search.result().results[0].title for search in searches] == ["a"] * 3
    assert len(provider.asked) == 1


async def test_one_that_gives_up_does_not_end_it_for_the_others_and_the_last_one_does() -> None:
    goes_on = asyncio.Event()

    async def slow() -> list[SearchResult]:
        await goes_on.wait()
        return results("a")

    provider = Scripted("one", slow)
    asking = searcher(provider)
    leaving, staying = (asyncio.create_task(asking.search(QUERY)) for _ in range(2))
    await settled()
    leaving.cancel()
    await settled()
    assert leaving.cancelled() and provider.cancelled == 0
    goes_on.set()
    assert len((await staying).results) == 1
    goes_on.clear()
    again = asyncio.create_task(asking.search(SearchQuery("another")))
    await settled()
    again.cancel()
    await settled()
    assert again.cancelled() and provider.cancelled == 1
    goes_on.set()
    assert len((await asking.search(SearchQuery("another"))).results) == 1  # a new call, not the ended one
    assert len(provider.asked) == 3


async def test_cancelling_a_search_ends_all_that_it_began() -> None:
    group = [Scripted(name, never) for name in ("one", "two", "three")]
    search = asyncio.create_task(searcher(*group).search_all([QUERY, SearchQuery("another")]))
    await settled()
    search.cancel()
    with pytest.raises(asyncio.CancelledError):
        await search
    await settled()
    assert [provider.cancelled for provider in group] == [2, 2, 2]


async def test_what_providers_cannot_filter_is_filtered() -> None:
    today = datetime.now(UTC).date()
    found = [
        SearchResult("https://docs.a.org/1", "below"),
        SearchResult("https://a.org/2", "itself"),
        SearchResult("https://ba.org/3", "another"),
        SearchResult("https://old.a.org/4", "blocked"),
        SearchResult("https://a.org/5", "fresh", date=today.isoformat()),
        SearchResult("https://a.org/6", "stale", date=(today - timedelta(days=40)).isoformat()),
        SearchResult("ftp://a.org/7", "no page"),
    ]
    query = SearchQuery("x", domains=("a.org",), blocked_domains=("old.a.org",), freshness="month")
    given = await searcher(Scripted("one", found)).search(query)
    assert [result.title for result in given.results] == ["below", "itself", "fresh"]
    assert given.reports[0].results == 3
    page = SearchResult("file:///docs/x.html", "of a folder", text="Text")
    assert (await searcher(Scripted("local", [page])).search(SearchQuery("x"))).results[0].title == "of a folder"
    assert (await searcher(Scripted("local", [page])).search(query)).results == ()
