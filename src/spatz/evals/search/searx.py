"""A search engine for tests in the documented JSON shape of SearXNG: it finds what it is told to find."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spatz.evals.search.site import Answer, Reply, Request

__all__ = ["Finding", "searx_beside"]


@dataclass(frozen=True, slots=True)
class Finding:
    url: str
    title: str
    snippet: str = ""


def searx_beside(site: Answer, find: Callable[[str], Sequence[Finding]]) -> Answer:
    """The site, and /search on the same server. find: from a query to results, best first."""

    def answer(request: Request) -> Reply | None:
        if request.path != "/search":
            return site(request)
        query = request.query.get("q", "")
        results = [
            {
                "url": found.url,
                "title": found.title,
                "content": found.snippet,
                "engine": "eval",
                "engines": ["eval"],
                "positions": [place],
                "score": 1 / place,
                "category": "general",
                "template": "default.html",
                "parsed_url": [],
                "publishedDate": None,
            }
            for place, found in enumerate(find(query), 1)
        ]
        body = {
            "query": query,
            "number_of_results": len(results),
            "results": results,
            "answers": [],
            "corrections": [],
            "infoboxes": [],
            "suggestions": [],
            "unresponsive_engines": [],
        }
        return Reply(json.dumps(body).encode(), "application/json")

    return answer
