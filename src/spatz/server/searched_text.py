"""The choices' texts after a web search, as they are told: traced back to the pages that the model was shown, and ended
where they begin to say the same again.

Between the choices' events (answer.py) and the APIs. Which passage supports which sentence is search/citing.py's
business, what a repetition is repeats.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spatz.engine.request import TokenLogprob
from spatz.search.citation import Citation
from spatz.server.events import Cited, Event, TextDelta
from spatz.server.repeats import Repeats
from spatz.server.web_search import Findings

__all__ = ["SearchedText"]


class SearchedText:
    """findings: None where nothing was searched: all is told as it comes."""

    def __init__(self, findings: Findings | None, choices: int) -> None:
        self._choices: list[_Choice] = []
        if findings is not None and findings.passages:
            self._choices = [_Choice(index, findings) for index in range(choices)]

    @property
    def enough(self) -> bool:
        """Whether nothing more will be told."""
        return bool(self._choices) and all(choice.ended for choice in self._choices)

    def tell(self, event: Event) -> Iterator[Event]:
        if self._choices and isinstance(event, TextDelta):
            yield from self._choices[event.index].tell(event)
        else:
            yield event

    def end(self, index: int) -> Iterator[Event]:
        """Of a choice."""
        if self._choices:
            yield from self._choices[index].end()


class _Choice:
    def __init__(self, index: int, findings: Findings) -> None:
        self.ended = False
        self._index = index
        # What it takes to read claims is loaded with the first answer that makes any.
        from spatz.search.citing import Citer

        self._citer = Citer(findings.passages, findings.question)
        # What JSON and grammars make of an answer may have the same lines again and again.
        self._repeats = Repeats(findings.question) if findings.plain else None
        self._logprobs: list[TokenLogprob] = []  # of what is held back

    def tell(self, event: TextDelta) -> Iterator[Event]:
        text = event.text if self._repeats is None else self._repeats.feed(event.text)
        self._logprobs += event.logprobs
        yield from self._told(text)
        self.ended = self._repeats is not None and self._repeats.ended

    def end(self) -> Iterator[Event]:
        self.ended = True
        if self._repeats is not None:
            yield from self._told(self._repeats.end())
        yield from self._cited(self._citer.end())

    def _told(self, text: str) -> Iterator[Event]:
        if text:
            yield TextDelta(self._index, text, tuple(self._logprobs))
            self._logprobs.clear()
            yield from self._cited(self._citer.feed(text))

    def _cited(self, citations: Iterable[Citation]) -> Iterator[Cited]:
        for citation in citations:
            page = citation.passage.page
            yield Cited(self._index, page.url, page.title, citation.start, citation.end)
