"""Tavily's API, with the shapes that its documentation has."""

from __future__ import annotations

from typing import Any

import pytest

from search.providers.serving import Api, sent
from spatz.search.providers.tavily import COUNTRIES, TavilyProvider
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError, SearchResult

KEY = "tvly-secret"


def answered(*results: Any) -> dict[str, Any]:
    return {
        "query": "Who is Leo Messi?",
        "answer": None,
        "images": [],
        "follow_up_questions": None,
        "results": list(results),
        "response_time": 1.67,
        "request_id": "123e4567",
    }


async def search(served: Api, query: SearchQuery) -> list[SearchResult]:
    return await TavilyProvider(KEY, url=served.url).search(query)


async def test_results_are_read(served: Api) -> None:
    served.gives(
        answered(
            {
                "title": "Lionel Messi Facts | Britannica",
                "url": "https://www.britannica.com/facts/Lionel-Messi",
                "content": "Lionel Messi, an Argentine footballer\n[...] List<int> & 5 < 6.",
                "score": 0.81025416,
                "raw_content": None,
                "favicon": "https://britannica.com/favicon.png",
            },
            {
                "title": "News",
                "url": "https://news.example/1",
                "content": "x",
                "score": 0.5,
                "published_date": "Wed, 22 Jan 2025 10:00:00 GMT",
            },
            {"title": "Broken", "url": 5},
        )
    )
    assert await search(served, SearchQuery("Who is Leo Messi?")) == [
        SearchResult(
            "https://www.britannica.com/facts/Lionel-Messi",
            "Lionel Messi Facts | Britannica",
            "Lionel Messi, an Argentine footballer [...] List<int> & 5 < 6.",
        ),
        SearchResult("https://news.example/1", "News", "x", "2025-01-22"),
    ]


async def test_a_query_becomes_a_body(served: Api) -> None:
    served.gives(answered())
    query = SearchQuery(
        "radwege",
        count=8,
        language="de",
        country="DE",
        domains=("berlin.de",),
        blocked_domains=("x.de",),
        freshness="year",
    )
    await search(served, query)
    asked = served.asked[0]
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("POST", "/search", f"Bearer {KEY}")
    assert asked.body == {
        "query": "radwege",
        "topic": "general",
        "search_depth": "basic",
        "max_results": 8,
        "include_answer": False,
        "include_raw_content": False,
        "include_images": False,
        "time_range": "year",
        "include_domains": ["berlin.de"],
        "exclude_domains": ["x.de"],
        "country": "germany",
    }


async def test_what_is_of_today_comes_from_its_news_which_take_no_country(served: Api) -> None:
    served.gives(answered())
    await search(served, SearchQuery("x" * 500, count=99, country="US", freshness="day"))
    body = served.asked[0].body
    assert (body["topic"], body["time_range"], body["max_results"], len(body["query"])) == ("news", "day", 20, 400)
    assert not body.keys() & {"country", "include_domains", "exclude_domains"}


def test_countries_are_codes_and_names() -> None:
    assert all(len(code) == 2 and code.isupper() and name == name.lower() for code, name in COUNTRIES.items())
    assert COUNTRIES["GB"] == "united kingdom" and COUNTRIES["JP"] == "japan" and len(COUNTRIES) > 70


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            "401 Unauthorized",
            {"detail": {"error": "Unauthorized: missing or invalid API key."}},
            "refuses the key (401)",
        ),
        ("429 Too Many Requests", {"detail": {"error": "Excessive"}}, "asks to wait: too many requests (for 30 s)"),
        ("432 Plan", {"detail": {"error": "exceeds your plan"}}, "has answered all that its plan allows (432)"),
        ("433 Paid", {"detail": {"error": "x"}}, "has reached the limit of costs that its owner has set (433)"),
        ("400 Bad Request", {"detail": {"error": "Query is too long."}}, "refuses the request (status 400)"),
        ("500 Internal Server Error", {"detail": {"error": "Internal"}}, "is out of order (status 500)"),
        ("200 OK", {"answer": "x"}, "sends an answer without results"),
        ("200 OK", "text", "sends an answer without results"),
    ],
)
async def test_what_goes_wrong_is_named(served: Api, status: str, body: Any, told: str) -> None:
    served.answers = [sent(body, status=status)]
    with pytest.raises(ProviderError) as caught:
        await search(served, SearchQuery("x"))
    assert str(caught.value) == told


async def test_too_many_domains_are_refused_before_it_is_asked(served: Api) -> None:
    with pytest.raises(ProviderError, match="takes 300 domains at most"):
        await search(served, SearchQuery("x", domains=tuple(f"d{number}.org" for number in range(301))))
    assert served.asked == []
