"""What searching for one answer came to, as the answer's usage tells it: also what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spatz.search.page import PageFailure
from spatz.search.result import ProviderReport

__all__ = ["PageUse", "SearchUse"]


@dataclass(frozen=True, slots=True)
class PageUse:
    """A page that was read."""

    url: str
    passages: int = 0  # of it that the model was shown
    left_out: int = 0  # sentences that spoke to a model instead of a reader


@dataclass(frozen=True, slots=True)
class SearchUse:
    queries: tuple[str, ...] = ()
    providers: tuple[ProviderReport, ...] = ()
    pages: tuple[PageUse, ...] = ()
    failures: tuple[PageFailure, ...] = ()  # pages that were wanted and could not be read
    tokens: int = 0  # of the prompt, that came of the pages
    seconds: float = 0.0

    def body(self) -> dict[str, Any]:
        return {
            "queries": list(self.queries),
            "providers": [
                {
                    "name": report.name,
                    "results": report.results,
                    "seconds": round(report.seconds, 3),
                    "error": report.error or None,
                }
                for report in self.providers
            ],
            "pages": [{"url": page.url, "passages": page.passages, "left_out": page.left_out} for page in self.pages],
            "failures": [{"url": page.url, "code": page.code, "message": page.message} for page in self.failures],
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
        }
