"""What the choices' texts say, traced back to the pages that the model was shown, while they are written.

Between the choices' events (answer.py) and the citations that the APIs render; which passage supports which sentence is
search/citing.py's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spatz.search.citation import Citation
from spatz.search.citing import Citer
from spatz.server.events import Cited, Event, TextDelta
from spatz.server.web_search import Findings

__all__ = ["Citing"]


class Citing:
    """findings: None where nothing was searched."""

    def __init__(self, findings: Findings | None, choices: int) -> None:
        self._citers: list[Citer] = []
        if findings is not None and findings.passages:
            self._citers = [Citer(findings.passages, findings.question) for _ in range(choices)]

    def after(self, event: Event) -> Iterator[Cited]:
        """What is cited once this has been told."""
        if self._citers and isinstance(event, TextDelta):
            yield from _cited(event.index, self._citers[event.index].feed(event.text))

    def end(self, index: int) -> Iterator[Cited]:
        """Of a choice."""
        if self._citers:
            yield from _cited(index, self._citers[index].end())


def _cited(index: int, citations: Iterable[Citation]) -> Iterator[Cited]:
    for citation in citations:
        page = citation.passage.page
        yield Cited(index, page.url, page.title, citation.start, citation.end)
