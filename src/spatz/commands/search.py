"""`spatz run --search`: the web is searched for the prompt, on the same path as the server's, without its HTTP.

The answer is printed as it is written; where it is from stands below it. Whether to search is no question
here: the flag says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from spatz.commands.answer import Answer, answer
from spatz.commands.shared import note
from spatz.config import Settings
from spatz.engine.request import ContextMode, FinishReason, Request, SamplingParams
from spatz.errors import ConfigError
from spatz.inputs.reader import reader_of
from spatz.prompt.turn import Turn, WebSearch
from spatz.search.citation import Citation
from spatz.search.citing import Citer
from spatz.search.providers import providers_of
from spatz.search.result import SearchResult
from spatz.search.use import SearchUse
from spatz.server.events import SearchDone, SearchStarted
from spatz.server.repeats import Repeats
from spatz.server.served import ServedModel
from spatz.server.web import Web, fetcher_of
from spatz.server.web_search import Research

__all__ = ["Searched", "check_search", "search_and_answer"]

SHOWN = 160  # characters of a cited sentence


@dataclass(frozen=True, slots=True)
class Searched:
    answer: Answer
    citations: tuple[Citation, ...]
    sources: tuple[SearchResult, ...]  # what was found, best first
    use: SearchUse

    def body(self) -> dict[str, Any]:
        """What --json says beside the answer."""
        return {
            "citations": [
                {
                    "url": one.passage.page.url,
                    "title": one.passage.page.title,
                    "start_index": one.start,
                    "end_index": one.end,
                }
                for one in self.citations
            ],
            "sources": [{"url": source.url, "title": source.title} for source in self.sources],
        }

    def lines(self) -> Iterator[str]:
        """For a person: the pages that are cited, each once, and for what."""
        pages: dict[str, list[Citation]] = {}
        for citation in self.citations:
            pages.setdefault(citation.passage.page.url, []).append(citation)
        for number, (url, cited) in enumerate(pages.items(), 1):
            title = _line(cited[0].passage.page.title)
            yield f"[{number}] {title}" if title else f"[{number}] {_line(url)}"
            if title:
                yield f"    {_line(url)}"
            for said in dict.fromkeys(_line(self.answer.text[one.start : one.end]) for one in cited):
                yield f"    {json.dumps(said, ensure_ascii=False)}"

    def notes(self) -> Iterator[str]:
        """What went wrong."""
        for report in self.use.providers:
            if report.error:
                yield f"{report.name} found nothing: {report.error}"
        for failure in self.use.failures:
            yield f"{_line(failure.url)} was not read: {failure.message}"


def check_search(settings: Settings) -> None:
    """Raises ConfigError where there is nobody to ask: before a model is loaded for it."""
    if not providers_of(settings):
        raise ConfigError("--search: there is no provider (setting search_providers)")


async def search_and_answer(
    model: ServedModel,
    turn: Turn,
    params: SamplingParams,
    show: Callable[[str], None],
    settings: Settings,
) -> Searched:
    """show: gets the text as it comes."""
    turn = replace(turn, web_search=WebSearch(required=True))
    prompt = model.encode_turn(turn)
    context = ContextMode(settings.context)
    request = Request(prompt=prompt.tokens, params=params, source="messages", context=context, areas=prompt.areas)
    fetcher = fetcher_of(settings)
    try:
        async with reader_of(settings) as reader:
            web = Web(settings, fetcher, reader)
            return await _answered(model, Research(web, model, turn, request), params, show, context)
    finally:
        if fetcher is not None:
            fetcher.close()


async def _answered(
    model: ServedModel, research: Research, params: SamplingParams, show: Callable[[str], None], context: ContextMode
) -> Searched:
    sources: list[SearchResult] = []
    async with aclosing(research.events()) as events:
        async for event in events:
            if isinstance(event, SearchStarted):
                _tell(event)
            elif isinstance(event, SearchDone):
                sources += event.sources
    found = research.findings
    citer = Citer(found.passages, found.question)
    repeats = Repeats(found.question)
    pieces: list[str] = []
    citations: list[Citation] = []

    def tell(text: str) -> None:
        if text:
            show(text)
            pieces.append(text)
            citations.extend(citer.feed(text))

    result = await answer(
        model,
        model.encode_turn(found.turn),
        params,
        lambda piece: tell(repeats.feed(piece)),
        "messages",
        context,
        constraint=await model.constrain(found.turn, "messages"),
        enough=lambda: repeats.ended,
    )
    tell(repeats.end())
    citations += citer.end()
    reason = FinishReason.STOP if repeats.ended else result.finish_reason
    return Searched(Answer("".join(pieces), reason, result.usage), tuple(citations), _once(sources), found.use)


def _tell(started: SearchStarted) -> None:
    """What is done, to a person who waits."""
    if sys.stderr.isatty():
        action = started.action
        what = f"searching for {_line(action.queries[0])}" if action.queries else f"reading {_line(action.url)}"
        note(what)


def _once(sources: Sequence[SearchResult]) -> tuple[SearchResult, ...]:
    return tuple({source.url: source for source in reversed(sources)}.values())[::-1]


def _line(text: str) -> str:
    """In one line, without what would move a terminal's cursor."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= SHOWN else f"{plain[: SHOWN - 1]}…"
