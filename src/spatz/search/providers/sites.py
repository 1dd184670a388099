"""Domains as search engines take them: `words (site:a.org OR site:b.org)`, and queries cut to what an API takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence

from spatz.search.result import ProviderError, SearchResult

__all__ = ["cut", "in_turn", "with_sites"]

PER_QUERY = 8  # engines take about 32 words
MOST = 3 * PER_QUERY


def with_sites(text: str, domains: Sequence[str]) -> list[str]:
    """The queries that together ask for all the domains; one without any. Raises ProviderError for too many."""
    if len(domains) > MOST:
        raise ProviderError(f"takes {MOST} domains at most, and {len(domains)} are given")
    groups = [domains[start : start + PER_QUERY] for start in range(0, len(domains), PER_QUERY)]
    return [f"{text} {_group(group)}" for group in groups] or [text]


async def in_turn(searches: Iterable[Awaitable[list[SearchResult]]]) -> list[SearchResult]:
    """What several groups of domains give, asked at once: the first of each, the second of each. All fail with one."""
    lists = await asyncio.gather(*searches, return_exceptions=True)
    found: list[list[SearchResult]] = []
    for given in lists:
        if isinstance(given, BaseException):
            raise given
        found.append(given)
    longest = max(map(len, found), default=0)
    return [result for turn in range(longest) for results in found for result in results[turn : turn + 1]]


def cut(text: str, characters: int, words: int = 50) -> str:
    """Whole words, as many as fit."""
    text = " ".join(text.split()[:words])
    if len(text) <= characters:
        return text
    return text[: characters + 1].rpartition(" ")[0] or text[:characters]


def _group(domains: Sequence[str]) -> str:
    sites = " OR ".join(f"site:{domain}" for domain in domains)
    return sites if len(domains) == 1 else f"({sites})"
