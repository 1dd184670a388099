"""SearXNG (and its ancestor searx): a metasearch server of the operator's own, through its JSON API.

`GET /search?format=json`, https://docs.searxng.org/dev/search_api.html. The format has to be switched on in the
server's settings.yml. It takes no number of results, no country alone and no domains: further pages are asked for where
one has little, the country goes with the language, and domains as `site:`, which some of its engines know; the searcher
filters behind that. The server may be private and plain http, and is never asked through the proxy.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from spatz.errors import ConfigError
from spatz.search.providers.rows import made, rows
from spatz.search.providers.sites import cut, in_turn, with_sites
from spatz.search.providers.web_api import Refused, WebApi
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError, SearchResult

__all__ = ["SearxngProvider"]

MAX_PAGES = 3
LONGEST = 500  # characters of a query


class SearxngProvider:
    name = "searxng"

    def __init__(self, url: str, *, api: WebApi | None = None) -> None:
        """url: of the server, with the path it stands under; a name and a password may be in it. Raises ConfigError."""
        _check(url.strip())
        self._url = f"{url.strip().rstrip('/').removesuffix('/search')}/search"
        self._api = api or WebApi(explain=_meaning)

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        texts = with_sites(cut(query.text, LONGEST), query.domains)
        return await in_turn(self._search(text, query) for text in texts)

    async def _search(self, text: str, query: SearchQuery) -> list[SearchResult]:
        found: dict[str, SearchResult] = {}
        for number in range(1, MAX_PAGES + 1):
            try:
                body = await self._page(text, query, number)
            except ProviderError:
                if found:
                    break  # what there is serves
                raise
            results = [made(row.get("url"), row.get("title"), row.get("content"), _date(row)) for row in _rows(body)]
            new = {result.url: result for result in results if result and result.url not in found}
            found |= new
            # Another page takes as long as the first one did, so it is for when there is little.
            if 2 * len(found) >= query.count or not new:
                break
        if not found and (silent := _silent(body)):
            raise ProviderError(f"got nothing from its engines ({silent})")
        return list(found.values())[: query.count]

    async def _page(self, text: str, query: SearchQuery, number: int) -> Any:
        language = f"{query.language}-{query.country}" if query.language and query.country else query.language
        params = {"q": text, "format": "json", "pageno": str(number), "language": language or "all"}
        if query.freshness:
            params["time_range"] = query.freshness
        # Its bot detection, where that is on, wants to see what browsers send.
        headers = {"Accept": "application/json, text/html;q=0.1", "Accept-Language": query.language or "en"}
        return await self._api.ask("GET", self._url, params=params, headers=headers)


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (it raises for what is no port)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError("search_url is not the base URL of a SearXNG server: http://HOST:PORT or https://HOST/PATH")


def _rows(body: Any) -> list[dict[str, Any]]:
    return rows(body, "results")


def _meaning(refused: Refused) -> str:
    if refused.status == 403:
        return "refuses JSON (403): its settings.yml has to list json under search.formats"
    if refused.status == 401:
        return "asks for a name and a password (401): they go into search_url"
    if refused.status == 404:
        return "has no /search (404): search_url is not its base URL"
    return ""


def _date(row: dict[str, Any]) -> object:
    """pubdate has one form; what publishedDate has depends on the version, and may be in the server's language."""
    return row.get("pubdate") or row.get("publishedDate")


def _silent(body: Any) -> str:
    """The engines that did not answer, as it tells them: [["google", "timeout"], ...]."""
    engines = body.get("unresponsive_engines") if isinstance(body, dict) else None
    told = [
        ": ".join(str(part)[:40] for part in engine[:2])
        for engine in (engines if isinstance(engines, list) else [])[:3]
        if isinstance(engine, list) and engine
    ]
    return ", ".join("".join(letter for letter in text if letter.isprintable()) for text in told)
