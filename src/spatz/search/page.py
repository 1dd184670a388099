"""A page that has been read for an answer, or why it could not be."""

from __future__ import annotations

from dataclasses import dataclass

from spatz.search.result import SearchResult

__all__ = ["Page", "PageFailure"]


@dataclass(frozen=True, slots=True)
class Page:
    url: str  # the one to cite: after redirects
    title: str
    markdown: str  # what a reader sees of it, without what is hidden; data, whatever it says
    date: str = ""
    result: SearchResult | None = None  # which led to it; None: the question named its URL
    left_out: int = 0  # sentences that spoke to a model instead of a reader


@dataclass(frozen=True, slots=True)
class PageFailure:
    url: str
    code: str  # a word for programs: "url_timeout", "fetch_failed", "budget", ...
    message: str  # half a sentence for people
