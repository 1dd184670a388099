"""What providers send, read with care: lists of results under some name, and one result of a few texts.

Nothing of it is trusted to have the documented shape. A list that is missing is an error, since it would otherwise look
like a search without results; a row that is no result is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spatz.search.plain import plain
from spatz.search.published import iso_date
from spatz.search.result import ProviderError, SearchResult
from spatz.search.urls import is_web

__all__ = ["made", "rows"]

MAX_ROWS = 200  # that are looked at
MAX_TITLE = 300  # characters
MAX_SNIPPET = 2_000


def rows(body: Any, *path: str) -> list[dict[str, Any]]:
    """The objects of the list under these names. Raises ProviderError where there is no list."""
    value = body
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, list):
        raise ProviderError(f"sends an answer without {'.'.join(path)}")
    return list(_objects(value[:MAX_ROWS]))


def made(url: object, title: object, snippet: object, date: object = None) -> SearchResult | None:
    """None without a URL of the web."""
    if not isinstance(url, str) or not is_web(url := url.strip()):
        return None
    return SearchResult(
        url=url, title=plain(title, MAX_TITLE), snippet=plain(snippet, MAX_SNIPPET), date=iso_date(date)
    )


def _objects(values: list[Any]) -> Iterator[dict[str, Any]]:
    for value in values:
        if isinstance(value, dict):
            yield value
