"""SearXNG, with answers as a searx 1.1.0 gave them and as SearXNG's documentation has them."""

from __future__ import annotations

from typing import Any

import pytest

from search.providers.serving import Api, sent
from spatz.errors import ConfigError
from spatz.search.providers.searxng import SearxngProvider
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError, SearchResult


def row(number: int, **more: Any) -> dict[str, Any]:
    url = f"https://docs.example.org/{number}"
    return {
        "url": url,
        "title": f"Page {number} & routing",
        "content": f"About routing number {number} <tag>",
        "engine": "here",
        "parsed_url": ["https", "docs.example.org", f"/{number}", "", "", ""],
        "engines": ["here"],
        "positions": [number],
        "score": 1.0,
        "category": "general",
        "pretty_url": url,
        **more,
    }


def page(*rows: Any, **more: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"answers": [], "corrections": [], "infoboxes": [], "suggestions": []}
    return {
        "query": "routing",
        "number_of_results": 0,
        "results": list(rows),
        **empty,
        "unresponsive_engines": [],
        **more,
    }


async def search(served: Api, query: SearchQuery) -> list[SearchResult]:
    return await SearxngProvider(served.url).search(query)


async def test_results_are_read(served: Api) -> None:
    paper = row(
        2,
        url="http://arxiv.org/abs/2401.00001v1",
        title="On &amp; off <b>routing</b>",
        content="We study\n routing.",
        publishedDate="5. Jan. 2024",
        pubdate="2024-01-05 10:20:30",
    )
    dated = row(3, content=None, publishedDate="2023-11-02T00:00:00")
    served.gives(page(row(1), paper, dated, {"title": "no URL"}, row(4, url="javascript:alert(1)"), "odd"), page())
    assert await search(served, SearchQuery("routing", count=5)) == [
        SearchResult("https://docs.example.org/1", "Page 1 & routing", "About routing number 1 <tag>"),
        SearchResult("http://arxiv.org/abs/2401.00001v1", "On & off routing", "We study routing.", "2024-01-05"),
        SearchResult("https://docs.example.org/3", "Page 3 & routing", "", "2023-11-02"),
    ]


async def test_a_query_becomes_parameters(served: Api) -> None:
    served.gives(page(row(1), row(2)))
    query = SearchQuery("was ist neu", count=2, language="de", country="AT", freshness="month", domains=("a.org",))
    assert len(await search(served, query)) == 2
    asked = served.asked[0]
    assert (asked.method, asked.path) == ("GET", "/search")
    assert asked.params == {
        "q": "was ist neu site:a.org",
        "format": "json",
        "pageno": "1",
        "language": "de-AT",
        "time_range": "month",
    }
    assert asked.headers["accept-language"] == "de" and "gzip" in asked.headers["accept-encoding"]
    await search(served, SearchQuery("x", count=1, country="US"))
    assert served.asked[1].params == {"q": "x", "format": "json", "pageno": "1", "language": "all"}


async def test_further_pages_are_asked_for_where_one_has_little(served: Api) -> None:
    served.gives(page(row(1)), page(row(1), row(2), row(3), row(4)), page(row(5)))
    found = await search(served, SearchQuery("routing", count=3))
    assert [result.url[-1] for result in found] == ["1", "2", "3"]
    assert [asked.params["pageno"] for asked in served.asked] == ["1", "2"]
    served.gives(page(row(1)), page(row(1)), page(row(2)))
    assert len(await search(served, SearchQuery("routing", count=9))) == 1
    assert len(served.asked) == 4  # a page that brings nothing new is the last one
    served.gives(page(*map(row, range(5))))
    assert len(await search(served, SearchQuery("routing", count=10))) == 5
    assert len(served.asked) == 5
    served.answers = [sent(page(row(1))), sent({}, status="500 Internal Server Error")]
    assert len(await search(served, SearchQuery("routing", count=10))) == 1  # what there is serves


async def test_many_domains_are_several_questions(served: Api) -> None:
    served.gives(page(row(1), row(2), row(3)))
    domains = tuple(f"d{number}.org" for number in range(10))
    found = await search(served, SearchQuery("x", count=3, domains=domains))
    assert len(found) == 6
    asked = sorted(asked.params["q"] for asked in served.asked)
    assert asked[1] == "x (site:d8.org OR site:d9.org)" and asked[0].count(" OR ") == 7
    with pytest.raises(ProviderError, match="takes 24 domains at most, and 30 are given"):
        await search(served, SearchQuery("x", domains=domains * 3))


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            sent({}, status="403 Forbidden"),
            "refuses JSON (403): its settings.yml has to list json under search.formats",
        ),
        (sent({}, status="401 Unauthorized"), "asks for a name and a password (401): they go into search_url"),
        (sent({}, status="404 Not Found"), "has no /search (404): search_url is not its base URL"),
        (sent({}, status="429 Too Many Requests"), "asks to wait: too many requests (for 30 s)"),
        (sent({"error": "Invalid value"}, status="400 Bad Request"), "refuses the request (status 400)"),
        (sent({"query": "x"}), "sends an answer without results"),
        (sent([]), "sends an answer without results"),
        (sent({"results": {}}), "sends an answer without results"),
        (
            sent(page(unresponsive_engines=[["google", "Suspended: too many requests"], ["bing", "timeout"], "odd"])),
            "got nothing from its engines (google: Suspended: too many requests, bing: timeout)",
        ),
    ],
)
async def test_what_goes_wrong_is_named(served: Api, reply: bytes, told: str) -> None:
    served.answers = [reply]
    with pytest.raises(ProviderError) as caught:
        await search(served, SearchQuery("x"))
    assert str(caught.value) == told


async def test_nothing_found_is_no_failure(served: Api) -> None:
    served.gives(page())
    assert await search(served, SearchQuery("x")) == []


async def test_its_url_may_have_a_path_and_a_password(served: Api) -> None:
    served.gives(page(row(1)))
    for path in ("/searx", "/searx/", "/searx/search"):
        await SearxngProvider(f"http://me:pass@127.0.0.1:{served.port}{path}").search(SearchQuery("x", count=1))
    assert [asked.path for asked in served.asked] == ["/searx/search"] * 3
    assert served.asked[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "url", ["searx", "ftp://a.org", "http://", "http://a.org:x", "http://a.org/?q=1", "http://[::1"]
)
def test_what_is_no_base_url_is_told_to_the_operator(url: str) -> None:
    with pytest.raises(ConfigError, match="search_url is not the base URL of a SearXNG server"):
        SearxngProvider(url)
