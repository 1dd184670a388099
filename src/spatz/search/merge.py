"""Results of several lists as one: reciprocal rank fusion, each page once.

A page gets 1 / (60 + its rank) from each list that has it (Cormack, Clarke, Buettcher: Reciprocal Rank Fusion
outperforms Condorcet and individual rank learning methods, 2009). Scores of providers are of no use here: they are on
different scales, or are not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from spatz.search.result import SearchResult
from spatz.search.urls import same_page, tidy

__all__ = ["merged"]

K = 60  # the paper's: how little the first places count for more than those behind them


def merged(lists: Iterable[tuple[str, Sequence[SearchResult]]]) -> tuple[SearchResult, ...]:
    """lists: (the provider's name, its results with the best first). Equal scores stay in the order of the lists."""
    scores: dict[str, float] = {}
    found: dict[str, SearchResult] = {}
    for name, results in lists:
        seen: set[str] = set()
        rank = 0
        for result in results:
            page = same_page(result.url)
            if page in seen:
                continue  # a list that has a page twice has no more to say for it
            seen.add(page)
            rank += 1
            scores[page] = scores.get(page, 0.0) + 1 / (K + rank)
            mine = replace(result, url=_cited(result), providers=(name,))
            found[page] = _joined(found[page], mine) if page in found else mine
    return tuple(found[page] for page in sorted(found, key=lambda page: -scores[page]))


def _joined(first: SearchResult, other: SearchResult) -> SearchResult:
    """The text is the one that somebody has, and its URL stays with it; else https is preferred."""
    keeper = other if first.text is None and other.text is not None else first
    url = keeper.url
    if keeper.text is None and other.url.startswith("https:") and not url.startswith("https:"):
        url = other.url
    return SearchResult(
        url=url,
        title=keeper.title or first.title or other.title,
        snippet=first.snippet or other.snippet,
        date=keeper.date or first.date or other.date,
        text=keeper.text,
        providers=tuple(dict.fromkeys(first.providers + other.providers)),
    )


def _cited(result: SearchResult) -> str:
    return tidy(result.url) if result.text is None else result.url
