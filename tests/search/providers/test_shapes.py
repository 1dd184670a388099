"""Answers of any shape: each place of a good answer gets each odd value, which gives results or a ProviderError."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from spatz.search.providers.brave import BraveProvider
from spatz.search.providers.searxng import SearxngProvider
from spatz.search.providers.tavily import TavilyProvider
from spatz.search.providers.web_api import WebApi
from spatz.search.query import SearchQuery
from spatz.search.result import Provider, ProviderError, SearchResult

ODD: tuple[Any, ...] = (None, True, -1, 1e308, "", "x" * 20_000, "\ud800\u0000<b>", [], [[]], {}, {"a": {"b": []}})
ROW = {"url": "https://a.org/1", "title": "Title", "content": "Text", "description": "Text"}
DATES = {
    "published_date": "2024-01-05",
    "page_age": "2024-01-05",
    "pubdate": "2024-01-05 10:00:00",
    "age": "January 5, 2024",
}
BODY = {
    "type": "search",
    "results": [ROW | DATES, ROW],
    "web": {"results": [ROW | DATES, ROW]},
    "unresponsive_engines": [["google", "timeout"]],
}


class Given(WebApi):
    """Answers without a network."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body

    async def ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        return json.loads(json.dumps(self.body))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def changed(path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    body: Any = copy.deepcopy(BODY)
    place = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = odd
    return body


def made(name: str, body: Any) -> Provider:
    api = Given(body)
    if name == "searxng":
        return SearxngProvider("http://a.org", api=api)
    return BraveProvider("key", api=api) if name == "brave" else TavilyProvider("key", api=api)


@pytest.mark.parametrize("name", ["searxng", "brave", "tavily"])
async def test_answers_of_any_shape(name: str) -> None:
    assert len(await made(name, BODY).search(SearchQuery("x"))) >= 1
    refused = 0
    for path in places(BODY):
        for odd in ODD:
            try:
                found = await made(name, changed(path, odd)).search(SearchQuery("x"))
            except ProviderError:
                refused += 1
                continue
            for result in found:
                assert isinstance(result, SearchResult) and result.url.startswith("https://a.org/")
                assert len(result.title) <= 300 and len(result.snippet) <= 2_000 and result.date in ("", "2024-01-05")
    assert refused >= len(ODD)  # a whole answer of an odd shape is none
