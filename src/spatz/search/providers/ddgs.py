"""DDGS: the package ddgs, which reads the result pages of public search engines and needs no key.

It is synchronous and asks several engines at once: it runs in a few threads of its own, which nobody can end, but each
of its requests has a short time. It tells no dates. Engines that refuse it look like engines without results; only when
one has failed is that told.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote

from spatz.search.providers.rows import made
from spatz.search.providers.sites import cut, in_turn, with_sites
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError, SearchResult

__all__ = ["INSTALL", "DdgsProvider", "is_installed"]

INSTALL = "pip install 'spatz[search]'"
# Of those that it has, the ones that search the whole web, and one encyclopedia.
ENGINES = "duckduckgo,brave,mojeek,startpage,yahoo,wikipedia"
LONGEST = 400  # characters of a query
THREADS = 4
REQUEST_SECONDS = 5  # for one engine
WAIT = 60.0  # seconds that it is left alone when an engine complains of too many requests
TIME_LIMITS = {"day": "d", "week": "w", "month": "m", "year": "y"}
# A region is a country and a language. These stand in for a country that is not told.
_COUNTRIES = (
    "ar:xa bg:bg ca:ct cs:cz da:dk de:de el:gr en:us es:es et:ee fi:fi fr:fr he:il hr:hr hu:hu id:id it:it ja:jp "
    "ko:kr lt:lt lv:lv nl:nl no:no pl:pl pt:pt ro:ro ru:ru sk:sk sl:sl sv:se th:th tr:tr uk:ua vi:vn zh:cn"
)
COUNTRIES = dict(pair.split(":") for pair in _COUNTRIES.split())
_OTHERS = {"at": "de", "br": "pt", "ch": "de", "mx": "es"}
LANGUAGES = {country: language for language, country in COUNTRIES.items()} | _OTHERS

_WRAPPED = re.compile(r"(?:https?:)?//duckduckgo\.com/l/\?uddg=(.+?)(?:&(?:amp;)?rut=.*)?", re.DOTALL)


def is_installed() -> bool:
    return find_spec("ddgs") is not None


class DdgsProvider:
    name = "ddgs"

    def __init__(
        self,
        *,
        proxy: str = "",
        engines: str = ENGINES,
        seconds: int = REQUEST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """engines, seconds (for one engine's answer) and clock are what tests put in."""
        self._proxy = proxy
        self._engines = engines
        self._seconds = seconds
        self._clock = clock
        self._closed_until = 0.0
        self._threads: ThreadPoolExecutor | None = None

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        if (left := self._closed_until - self._clock()) > 0:
            raise ProviderError(f"has been asked to wait: too many requests (for {int(left) + 1} s more)")
        texts = with_sites(cut(query.text, LONGEST), query.domains)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="spatz-ddgs")
        loop = asyncio.get_running_loop()
        return await in_turn(loop.run_in_executor(self._threads, self._search, text, query) for text in texts)

    def _search(self, text: str, query: SearchQuery) -> list[SearchResult]:
        """In a thread."""
        try:
            from ddgs import DDGS
            from ddgs.exceptions import DDGSException, RatelimitException, TimeoutException
        except ImportError:
            raise ProviderError(f"is not installed: {INSTALL}") from None
        try:
            found: list[dict[str, Any]] = DDGS(proxy=self._proxy or None, timeout=self._seconds).text(
                text,
                region=_region(query),
                timelimit=TIME_LIMITS[query.freshness] if query.freshness else None,
                max_results=query.count,
                backend=self._engines,
            )
        except TimeoutException:
            raise ProviderError("took too long to answer") from None
        except RatelimitException:
            self._closed_until = self._clock() + WAIT
            raise ProviderError(f"asks to wait: too many requests (for {WAIT:.0f} s)") from None
        except DDGSException as error:
            if str(error) == "No results found.":
                return []
            # Without its text, which holds URLs with the proxy's password in them.
            raise ProviderError("got no answer from any search engine") from None
        results = [made(_direct(row.get("href")), row.get("title"), row.get("body")) for row in found]
        return [result for result in results if result][: query.count]


def _direct(href: object) -> object:
    """Behind DuckDuckGo's own link, where it gives one instead of the page's."""
    wrapped = _WRAPPED.fullmatch(href) if isinstance(href, str) else None
    return unquote(wrapped.group(1)) if wrapped else href


def _region(query: SearchQuery) -> str:
    """Such as "us-en", which is its own default."""
    country = {"GB": "uk"}.get(query.country, query.country.lower())
    language = query.language or LANGUAGES.get(country, "en")
    return f"{country or COUNTRIES.get(language, 'us')}-{language}"
