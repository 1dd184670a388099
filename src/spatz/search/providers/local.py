"""The local index as a provider: what the operator has indexed, with its text, without any network.

The index may be filled while it is asked; an index that cannot be used is an error of this provider alone.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spatz.search.index.local_index import LocalIndex
from spatz.search.index.schema import IndexUnusable
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError, SearchResult

__all__ = ["LocalProvider"]

DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}
MOST = 50


class LocalProvider:
    name = "local"

    def __init__(self, folder: Path) -> None:
        self._index = LocalIndex(folder)

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        """Language, country and place are nothing to it: the operator chose the documents. Raises ProviderError."""
        return await asyncio.to_thread(self._search, query)

    def _search(self, query: SearchQuery) -> list[SearchResult]:
        since = ""
        if query.freshness is not None:
            since = (datetime.now(UTC) - timedelta(days=DAYS[query.freshness])).date().isoformat()
        try:
            hits = self._index.search(
                query.text,
                count=min(query.count, MOST),
                domains=query.domains,
                blocked_domains=query.blocked_domains,
                since=since,
            )
        except IndexUnusable as error:
            # Its path is the operator's business, and in the log of `spatz index`.
            raise ProviderError(f"cannot be searched: {error.reason}") from None
        return [SearchResult(hit.url, hit.title, hit.snippet, hit.date, hit.text, (self.name,)) for hit in hits]
