"""The package ddgs itself, with a result page of DuckDuckGo's form served on 127.0.0.1."""

from __future__ import annotations

import sys
from html import escape
from urllib.parse import parse_qs

import pytest

from inputs.asking import answer
from search.providers.serving import Api
from spatz.search.providers.ddgs import DdgsProvider, _region
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError, SearchResult

pytest.importorskip("ddgs")


def page(*results: tuple[str, str, str]) -> bytes:
    rows = "".join(
        f'<div class="result results_links web-result"><div class="links_main links_deep result__body">'
        f'<h2 class="result__title"><a class="result__a" href="{escape(url)}">{title}</a></h2>'
        f'<div class="result__extras"><a class="result__url" href="{escape(url)}">shown</a></div>'
        f'<a class="result__snippet" href="{escape(url)}">{snippet}</a></div></div>'
        for url, title, snippet in results
    )
    return answer(f"<html><div id='links'>{rows}</div></html>".encode(), kind="text/html; charset=UTF-8")


@pytest.fixture
def ddgs(served: Api, monkeypatch: pytest.MonkeyPatch) -> DdgsProvider:
    monkeypatch.setattr("ddgs.engines.duckduckgo.Duckduckgo.search_url", f"{served.url}/html/")
    monkeypatch.delenv("DDGS_PROXY", raising=False)
    return DdgsProvider(engines="duckduckgo", seconds=2)


async def test_results_are_read(served: Api, ddgs: DdgsProvider) -> None:
    wrapped = "//duckduckgo.com/l/?uddg=https%3A%2F%2Fb.org%2Fx%3Fy%3D1&rut=0123"
    served.answers = [
        page(
            ("https://a.org/1", "First <b>page</b>", "What &amp; <b>why</b>"),
            (wrapped, "Second", "More"),
            ("https://duckduckgo.com/y.js?ad_domain=x", "An advertisement", "Buy"),
        )
    ]
    found = await ddgs.search(SearchQuery("page why"))
    assert sorted(found, key=lambda result: result.url) == [
        SearchResult("https://a.org/1", "First page", "What & why"),
        SearchResult("https://b.org/x?y=1", "Second", "More"),
    ]


async def test_a_query_becomes_a_form(served: Api, ddgs: DdgsProvider) -> None:
    served.answers = [page(("https://a.org/1", "A", "a"), ("https://a.org/2", "B", "b"))]
    query = SearchQuery(
        "neue radwege", count=1, language="de", country="AT", freshness="week", domains=("a.org", "b.org")
    )
    assert len(await ddgs.search(query)) == 1
    form = parse_qs(served.asked[0].body)
    assert (form["q"], form["l"], form["df"]) == (["neue radwege (site:a.org OR site:b.org)"], ["at-de"], ["w"])


async def test_nothing_found_is_no_failure(served: Api, ddgs: DdgsProvider) -> None:
    served.answers = [page()]
    assert await ddgs.search(SearchQuery("x")) == []


async def test_what_goes_wrong_is_named_without_what_the_library_says(
    served: Api, ddgs: DdgsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.answers = [b""]
    with pytest.raises(ProviderError, match=r"^got no answer from any search engine$"):
        await ddgs.search(SearchQuery("x"))
    monkeypatch.setattr("ddgs.engines.duckduckgo.Duckduckgo.search_url", "http://127.0.0.1:9/html/")
    with pytest.raises(ProviderError, match=r"^got no answer from any search engine$"):
        await ddgs.search(SearchQuery("x"))


async def test_an_engine_that_is_too_slow_or_complains(
    served: Api, ddgs: DdgsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddgs import DDGS
    from ddgs.exceptions import RatelimitException, TimeoutException

    told: list[type[Exception]] = [TimeoutException, RatelimitException]

    def fail(*args: object, **more: object) -> None:
        raise told.pop(0)("http://user:password@proxy/")

    monkeypatch.setattr(DDGS, "text", fail)
    for message in (
        "took too long to answer",
        r"asks to wait: too many requests \(for 60 s\)",
        r"has been asked to wait: too many requests \(for \d+ s more\)",
    ):
        with pytest.raises(ProviderError, match=f"^{message}$"):
            await ddgs.search(SearchQuery("x"))


async def test_without_the_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ddgs", None)
    with pytest.raises(ProviderError, match=r"^is not installed: pip install 'spatz\[search\]'$"):
        await DdgsProvider().search(SearchQuery("x"))


async def test_too_many_domains_are_refused(ddgs: DdgsProvider) -> None:
    with pytest.raises(ProviderError, match="takes 24 domains at most"):
        await ddgs.search(SearchQuery("x", domains=tuple(f"d{number}.org" for number in range(25))))


@pytest.mark.parametrize(
    ("language", "country", "region"),
    [
        ("", "", "us-en"),
        ("de", "", "de-de"),
        ("de", "CH", "ch-de"),
        ("", "BR", "br-pt"),
        ("en", "GB", "uk-en"),
        ("ja", "", "jp-ja"),
        ("sw", "", "us-sw"),
        ("", "KE", "ke-en"),
    ],
)
def test_a_region_is_a_country_and_a_language(language: str, country: str, region: str) -> None:
    assert _region(SearchQuery("x", language=language, country=country)) == region
