"""What a provider finds, and the contract of providers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from spatz.search.query import SearchQuery

__all__ = ["Found", "Provider", "ProviderError", "ProviderReport", "SearchResult"]


class ProviderError(Exception):
    """Why a provider gave nothing, in half a sentence for the caller: without keys and secrets of URLs."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    url: str
    title: str = ""
    snippet: str = ""  # plain text
    date: str = ""  # of publication, ISO 8601 (YYYY-MM-DD at least); "" where it is not told
    # The page's Markdown where the provider has it (the local index): it is not fetched then.
    text: str | None = None
    providers: tuple[str, ...] = ()  # who found it


class Provider(Protocol):
    """One place to search. search() may be called by many at once."""

    @property
    def name(self) -> str: ...

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        """Best first. Raises ProviderError; cancelling it ends what it has begun."""


@dataclass(frozen=True, slots=True)
class ProviderReport:
    name: str
    results: int = 0
    seconds: float = 0.0
    error: str = ""  # "" where it answered


@dataclass(frozen=True, slots=True)
class Found:
    """Of all providers together."""

    query: SearchQuery
    results: tuple[SearchResult, ...]  # merged, best first, each page once
    reports: tuple[ProviderReport, ...]
