"""What a server searches and reads the web with: made of the settings, and as late as it can be.

On `state.web`, and made by `spatz run --search` for itself. web_search.py asks it; here nothing is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from spatz.config import Settings
from spatz.errors import RequestError
from spatz.inputs.fetch import Fetcher, FetchPolicy
from spatz.inputs.reader import CachedReader, read_options
from spatz.search.providers import providers_of
from spatz.search.result import Provider

if TYPE_CHECKING:
    from spatz.search.page_reader import PageReader
    from spatz.search.searcher import Searcher

__all__ = ["SEARCHING", "Web", "check_web", "fetcher_of"]

SEARCHING = 0.6  # share of the time that providers may take


class Web:
    """Belongs to an event loop."""

    def __init__(
        self,
        settings: Settings,
        fetcher: Fetcher | None,
        reader: CachedReader,
        *,
        providers: Sequence[Provider] | None = None,
        today: Callable[[str], date] | None = None,
    ) -> None:
        """providers: instead of those that the settings name. today: the day in a time zone, for tests.

        Raises ConfigError.
        """
        self.seconds = settings.search_seconds
        self.today = today or _today
        self._settings = settings
        self._fetcher = fetcher
        self._reader = reader
        self._given = providers is not None or bool(settings.search_providers)
        self._providers = tuple(providers_of(settings) if providers is None else providers)
        self._searcher: Searcher | None = None
        self._pages: PageReader | None = None

    @property
    def searches(self) -> bool:
        """Whether there is anybody to ask."""
        self._look_again()
        return bool(self._providers)

    @property
    def searcher(self) -> Searcher:
        self._look_again()
        if self._searcher is None:
            from spatz.search.searcher import Searcher

            cached = self._settings.search_cache_minutes * 60
            self._searcher = Searcher(self._providers, seconds=self.seconds * SEARCHING, cache_seconds=cached)
        return self._searcher

    def _look_again(self) -> None:
        """An index that has been made since the start is asked, too, where the settings leave open who is."""
        names = [provider.name for provider in self._providers]
        if self._given or "local" in names or not (self._settings.data_dir / "index").exists():
            return
        found = tuple(providers_of(self._settings))
        if [provider.name for provider in found] != names:
            self._providers, self._searcher = found, None

    @property
    def pages(self) -> PageReader:
        if self._pages is None:
            from spatz.search.page_reader import PageReader

            settings = self._settings
            self._pages = PageReader(
                self._fetcher,
                self._reader,
                read_options(settings),
                page_bytes=settings.search_page_mb << 20,
                cache_seconds=settings.search_cache_minutes * 60,
                host_rate=settings.search_host_rate,
            )
        return self._pages


def _today(timezone: str) -> date:
    """timezone: "" for the server's own, as well as one that this machine does not know."""
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.now(ZoneInfo(timezone) if timezone else None).date()
    return datetime.now().date()


def fetcher_of(settings: Settings) -> Fetcher | None:
    """Raises ConfigError."""
    if settings.fetch == "off":
        return None
    return Fetcher(
        FetchPolicy(
            hosts=settings.fetch_hosts,
            max_bytes=settings.input_mb << 20,
            timeout=settings.fetch_seconds,
            proxy=settings.fetch_proxy,
        )
    )


def check_web(web: Web | None, param: str) -> None:
    """Raises RequestError where nothing can be searched."""
    if web is None or not web.searches:
        raise RequestError(
            "This server searches no web: it has no provider (setting 'search_providers').",
            param=param,
            code="unsupported_value",
        )
