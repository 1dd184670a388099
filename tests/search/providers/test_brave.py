"""Brave's API, with the shapes that its documentation has."""

from __future__ import annotations

from typing import Any

import pytest

from search.providers.serving import Api, sent
from spatz.search.providers.brave import BraveProvider
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError, SearchResult

KEY = "BSA-secret"


def answered(*results: Any) -> dict[str, Any]:
    return {
        "type": "search",
        "query": {"original": "python frameworks", "spellcheck_off": False, "more_results_available": True},
        "mixed": {"type": "mixed", "main": [{"type": "web", "index": 0, "all": False}], "top": [], "side": []},
        "web": {"type": "search", "results": list(results), "family_friendly": True},
    }


def refused(code: str, status: int) -> dict[str, Any]:
    error = {"id": "5d832250", "code": code, "detail": "The provided token is invalid.", "status": status, "meta": {}}
    return {"type": "ErrorResponse", "error": error, "time": 1663072993}


async def search(served: Api, query: SearchQuery) -> list[SearchResult]:
    return await BraveProvider(KEY, url=served.url).search(query)


async def test_results_are_read(served: Api) -> None:
    served.gives(
        answered(
            {
                "title": "Top <strong>Python</strong> Web Frameworks",
                "url": "https://example.com/python-frameworks",
                "description": "A guide to Python&#x27;s <strong>frameworks</strong> &amp; more",
                "age": "April 12, 2023",
                "page_age": "2023-04-12T14:22:41",
                "language": "en",
                "meta_url": {"scheme": "https", "netloc": "example.com", "hostname": "example.com", "path": "/x"},
                "extra_snippets": ["One", "Two"],
            },
            {"title": "Older", "url": "https://example.com/2", "description": None, "age": "March 3, 2021"},
            {"title": "Broken", "url": None},
        )
    )
    assert await search(served, SearchQuery("python frameworks")) == [
        SearchResult(
            "https://example.com/python-frameworks",
            "Top Python Web Frameworks",
            "A guide to Python's frameworks & more",
            "2023-04-12",
        ),
        SearchResult("https://example.com/2", "Older", "", "2021-03-03"),
    ]


async def test_a_query_becomes_parameters(served: Api) -> None:
    served.gives(answered())
    await search(
        served,
        SearchQuery(
            "neue radwege",
            count=50,
            language="de",
            country="DE",
            place="Berlin, Germany",
            domains=("berlin.de",),
            freshness="week",
        ),
    )
    asked = served.asked[0]
    assert (asked.method, asked.path) == ("GET", "/web/search")
    assert asked.params == {
        "q": "neue radwege site:berlin.de",
        "count": "20",
        "country": "DE",
        "search_lang": "de",
        "freshness": "pw",
        "result_filter": "web",
        "text_decorations": "false",
    }
    assert asked.headers["x-subscription-token"] == KEY
    assert (asked.headers["x-loc-city"], asked.headers["x-loc-country"]) == ("Berlin", "DE")


@pytest.mark.parametrize("place", ["", "DE", "München, DE", "a\nb, DE"])
async def test_a_place_that_is_no_city_or_that_no_header_takes_is_left_out(served: Api, place: str) -> None:
    served.gives(answered())
    await search(served, SearchQuery("x", country="DE", place=place))
    assert not {"x-loc-city", "x-loc-country"} & served.asked[0].headers.keys()


async def test_several_domains_and_blocked_ones_are_a_goggle(served: Api) -> None:
    served.gives(answered())
    await search(served, SearchQuery("x", domains=("a.org", "b.org"), blocked_domains=("c.b.org",)))
    params = served.asked[0].params
    assert params["q"] == "x"
    assert params["goggles"] == "$discard\n$boost,site=a.org\n$boost,site=b.org\n$discard,site=c.b.org"


@pytest.mark.parametrize(
    ("language", "country", "sent_language", "sent_country"),
    [
        ("", "", None, "ALL"),
        ("en", "GB", "en-gb", "GB"),
        ("pt", "BR", "pt-br", "BR"),
        ("pt", "", "pt-pt", "ALL"),
        ("ja", "JP", "jp", "JP"),
        ("zh", "TW", "zh-hant", "TW"),
        ("no", "NO", "nb", "NO"),
        ("sw", "KE", None, "ALL"),  # it knows neither
    ],
)
async def test_languages_and_countries_have_its_names(
    served: Api, language: str, country: str, sent_language: str | None, sent_country: str
) -> None:
    served.gives(answered())
    await search(served, SearchQuery("x", language=language, country=country))
    params = served.asked[0].params
    assert (params.get("search_lang"), params["country"]) == (sent_language, sent_country)


async def test_long_queries_are_cut_to_what_it_takes(served: Api) -> None:
    served.gives(answered())
    await search(served, SearchQuery("word " * 90, domains=("a.org",)))
    await search(served, SearchQuery("longerword" * 7 + " " + "another-word " * 40))
    first, second = (asked.params["q"] for asked in served.asked)
    assert len(first.split()) == 50 and first.endswith(" site:a.org")
    assert len(second) <= 400 and second.endswith("another-word")


async def test_no_web_results_are_no_failure(served: Api) -> None:
    served.gives({"type": "search", "query": {"original": "x"}, "mixed": {}})
    assert await search(served, SearchQuery("x")) == []


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            sent(refused("SUBSCRIPTION_TOKEN_INVALID", 422), status="422 Unprocessable Entity"),
            "refuses the key (SUBSCRIPTION_TOKEN_INVALID)",
        ),
        (
            sent(refused("SUBSCRIPTION_NOT_FOUND", 404), status="404 Not Found"),
            "refuses the key (SUBSCRIPTION_NOT_FOUND)",
        ),
        (sent(refused("VALIDATION", 422), status="422 Unprocessable Entity"), "refuses the request (422 VALIDATION)"),
        (
            sent(refused("QUOTA_LIMITED", 429), "X-RateLimit-Reset: 90", status="429 Too Many Requests"),
            "has answered all that its plan allows (QUOTA_LIMITED)",
        ),
        (
            sent(
                refused("RATE_LIMITED", 429),
                "X-RateLimit-Limit: 1, 15000",
                "X-RateLimit-Remaining: 0, 0",
                "X-RateLimit-Reset: 1, 900",
                status="429 Too Many Requests",
            ),
            "asks to wait: too many requests (for 900 s)",
        ),
        (sent({}, status="500 Internal Server Error"), "is out of order (status 500)"),
        (sent({"type": "search", "web": []}), "sends an answer without web.results"),
        (sent({"unknown": 1}), "sends an answer without web.results"),
    ],
)
async def test_what_goes_wrong_is_named(served: Api, reply: bytes, told: str) -> None:
    served.answers = [reply]
    with pytest.raises(ProviderError) as caught:
        await search(served, SearchQuery("x"))
    assert str(caught.value) == told and KEY not in told


async def test_one_request_in_a_second_is_waited_for(served: Api) -> None:
    headers = ("X-RateLimit-Remaining: 0, 14000", "X-RateLimit-Reset: 0, 14000")
    served.answers = [sent(refused("RATE_LIMITED", 429), *headers, status="429 Too Many Requests"), sent(answered())]
    assert await search(served, SearchQuery("x")) == []
    assert len(served.asked) == 2
