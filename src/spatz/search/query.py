"""What is asked of a provider: the vocabulary that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Freshness", "SearchQuery"]

Freshness = Literal["day", "week", "month", "year"]


@dataclass(frozen=True, slots=True)
class SearchQuery:
    text: str
    count: int = 10  # results wanted
    language: str = ""  # ISO 639-1, in lower case; "" for any
    country: str = ""  # ISO 3166-1 alpha-2, in upper case; "" for any
    place: str = ""  # "Berlin, Germany": where the user is, for providers that take it
    domains: tuple[str, ...] = ()  # only these and their subdomains; without scheme, in lower case
    blocked_domains: tuple[str, ...] = ()
    freshness: Freshness | None = None  # no older than that
