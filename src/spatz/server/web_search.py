"""The web searched for one answer: what is looked for, found and read, and the turn that the model answers from it.

Joins the parts of `spatz.search` in one direction: question -> queries -> results -> pages -> passages -> brief. Asked
by answer.py once it is decided that the web is searched (search_decision.py), and by `spatz run --search`; it gives the
events of what it does, and then `Findings`. Everything ends within the setting search_seconds; what fails is told in
the usage and is no error. After it no tool is called: text of pages becomes a document of the prompt and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace

from spatz.engine.request import ContextMode, Request
from spatz.prompt.tools import chosen
from spatz.prompt.turn import GrammarFormat, Message, Turn, WebSearch, spoken
from spatz.search.brief import Size, brief
from spatz.search.dates import dated, freshness_of
from spatz.search.page import Page, PageFailure
from spatz.search.page_reader import PageError
from spatz.search.passage import Passage
from spatz.search.query import SearchQuery
from spatz.search.questions import Question, question_of
from spatz.search.ranking import rank, tells
from spatz.search.result import ProviderReport, SearchResult
from spatz.search.urls import allowed
from spatz.search.use import PageUse, SearchUse
from spatz.server.context import context_limit
from spatz.server.events import SearchAction, SearchDone, SearchStarted
from spatz.server.served import ServedModel
from spatz.server.web import SEARCHING, Web

__all__ = ["Findings", "Research", "question_in"]

ASSUMED_OUTPUT = 512  # tokens of an answer whose request sets no bound
LEAST_ROOM = 96  # tokens of a brief that is worth it


@dataclass(frozen=True, slots=True)
class Reach:
    """What a search_context_size comes to."""

    results: int
    pages: int
    passages: int  # that are ranked; how many of them are shown is the brief's business


REACHES: dict[Size, Reach] = {
    "low": Reach(results=8, pages=3, passages=8),
    "medium": Reach(results=10, pages=5, passages=12),
    "high": Reach(results=20, pages=8, passages=24),
}


@dataclass(frozen=True, slots=True)
class Findings:
    """turn: what the model answers, without tools. passages: what it was shown, for citations."""

    turn: Turn
    question: str
    passages: tuple[Passage, ...]
    use: SearchUse


def question_in(messages: Sequence[Message]) -> Question:
    """What the user asks, without documents."""
    said = [spoken(message["content"]).strip() for message in messages if message["role"] == "user"]
    return question_of([text for text in said if text])


@dataclass(slots=True)
class _Notes:
    """What the usage tells."""

    queries: list[str] = field(default_factory=list)
    providers: list[ProviderReport] = field(default_factory=list)
    failures: list[PageFailure] = field(default_factory=list)


class Research:
    """Of one answer. `events` runs it; after that there are `findings`."""

    def __init__(self, web: Web, model: ServedModel, turn: Turn, request: Request) -> None:
        """request: with the prompt of the turn as it came, for the room that is left beside it."""
        self._web = web
        self._model = model
        self._turn = turn
        self._request = request
        self._wanted = turn.web_search or WebSearch()
        self._reach = REACHES[self._wanted.size]
        self._question = question_in(turn.messages)
        self._calls = 0
        self._notes = _Notes()
        self._started = time.monotonic()
        self._pages: list[Page] = []
        self._findings: Findings | None = None

    @property
    def findings(self) -> Findings:
        assert self._findings is not None, "it has not run"
        return self._findings

    async def events(self) -> AsyncGenerator[SearchStarted | SearchDone, None]:
        """Cancelling or closing it ends all that it has begun."""
        for url in self._question.urls:
            async for event in self._open(url):
                yield event
        if not self._pages and self._question.query:
            async for event in self._search():
                yield event
        self._findings = await self._found()

    async def _open(self, url: str) -> AsyncGenerator[SearchStarted | SearchDone, None]:
        """The page that the question names; and what is asked about it, found in it."""
        if not self._admits(url) or not self._may_call():
            return
        started = SearchStarted(_id(), SearchAction("open_page", url=url))
        yield started
        page = await self._opened(url)
        source = () if page is None else (SearchResult(page.url, page.title, date=page.date),)
        yield SearchDone(started.id, started.action, source, failed=page is None)
        if page is None:
            return
        self._pages.append(page)
        pattern = self._question.pattern
        if pattern and self._may_call():
            found = SearchStarted(_id(), SearchAction("find_in_page", url=page.url, pattern=pattern))
            yield found
            yield SearchDone(found.id, found.action, source)

    async def _opened(self, url: str) -> Page | None:
        try:
            async with asyncio.timeout(self._left):
                return await self._web.pages.open(url, seconds=self._left)
        except PageError as error:
            self._notes.failures.append(error.failure)
        except TimeoutError:
            self._notes.failures.append(_too_late(url))
        return None

    async def _search(self) -> AsyncGenerator[SearchStarted | SearchDone, None]:
        if not self._may_call():
            return
        query = self._query()
        action = SearchAction("search", (query.text,))
        started = SearchStarted(_id(), action)
        yield started
        self._notes.queries.append(query.text)
        results = await self._results(query)
        await self._read(results)
        yield SearchDone(started.id, action, tuple(replace(result, text=None) for result in results), not results)

    def _query(self) -> SearchQuery:
        question, wanted = self._question, self._wanted
        place = wanted.location
        names = () if place is None else (place.city, place.region, place.country)
        return SearchQuery(
            dated(question.query, question.text, self._web.today(), question.language),
            count=self._reach.results,
            language=question.language,
            country="" if place is None else place.country,
            place=", ".join(name for name in names if name),
            domains=wanted.allowed_domains,
            blocked_domains=wanted.blocked_domains,
            freshness=freshness_of(question.text),
        )

    async def _results(self, query: SearchQuery) -> tuple[SearchResult, ...]:
        seconds = self._left * SEARCHING
        try:
            async with asyncio.timeout(self._left):
                found = await self._web.searcher.search(query, seconds=seconds)
        except TimeoutError:
            self._notes.providers.append(ProviderReport("search", seconds=seconds, error="it took too long"))
            return ()
        self._notes.providers += found.reports
        return found.results

    async def _read(self, results: Sequence[SearchResult]) -> None:
        """The best pages; of those that cannot be read, what the provider said of them."""
        if not results:
            return
        try:
            async with asyncio.timeout(self._left):
                pages, failures = await self._web.pages.read(
                    results, seconds=self._left, most=self._reach.pages, admits=self._admits
                )
        except TimeoutError:
            pages, failures = [], [_too_late(result.url) for result in results[: self._reach.pages]]
        read = {page.result.url for page in pages if page.result is not None}
        self._notes.failures += failures
        self._pages += pages
        self._pages += [
            Page(result.url, result.title, result.snippet, result.date, result)
            for result in results[: self._reach.pages]
            if result.url not in read and result.snippet
        ]

    async def _found(self) -> Findings:
        """In a thread: pages may be long."""
        return await asyncio.to_thread(self._findings_of, self._pages)

    def _findings_of(self, pages: Sequence[Page]) -> Findings:
        question = self._question.full
        room = self._room
        passages: list[Passage] = []
        if pages and room >= LEAST_ROOM:
            queries = [self._question.query, *self._notes.queries]
            passages = rank(question, queries, pages, most=self._reach.passages)
            if not self._question.urls and not tells(question, passages):
                passages = []
        if not passages:
            return Findings(self._without(), question, (), self._use(pages, (), 0))
        made = brief(passages, question, size=self._wanted.size, count=self._count, room=room)
        turn = replace(self._answering, messages=made.put(self._turn.messages))
        return Findings(turn, question, made.passages, self._use(pages, made.passages, made.tokens))

    def _without(self) -> Turn:
        """Nothing was found: the answer says so, unless it has to be of another form."""
        turn = self._answering
        if turn.output_format is not None:
            return turn
        said = nothing_found(self._question.language)
        return replace(turn, output_format=GrammarFormat("lark", f"start: {json.dumps(said, ensure_ascii=False)}"))

    @property
    def _answering(self) -> Turn:
        return chosen(self._turn, ())

    @property
    def _room(self) -> int:
        """Tokens that are left for the brief; where the prompt would be read exactly without it, it still is."""
        request = self._request
        size, output = len(request.prompt), request.params.max_tokens or ASSUMED_OUTPUT
        exact = self._model.context_length - size - output
        if exact >= LEAST_ROOM or request.context is ContextMode.EXACT:
            return exact
        return context_limit(self._model, request.context) - size - output

    def _count(self, text: str) -> int:
        return len(self._model.encode(text))

    def _use(self, pages: Sequence[Page], shown: Sequence[Passage], tokens: int) -> SearchUse:
        return SearchUse(
            queries=tuple(self._notes.queries),
            providers=tuple(self._notes.providers),
            pages=tuple(
                PageUse(page.url, sum(passage.page is page for passage in shown), page.left_out) for page in pages
            ),
            failures=tuple(self._notes.failures),
            tokens=tokens,
            seconds=time.monotonic() - self._started,
        )

    @property
    def _left(self) -> float:
        """Seconds, at least a moment."""
        return max(0.01, self._web.seconds - (time.monotonic() - self._started))

    def _admits(self, url: str) -> bool:
        return allowed(url, self._wanted.allowed_domains, self._wanted.blocked_domains)

    def _may_call(self) -> bool:
        most = self._wanted.most_calls
        if most is not None and self._calls >= most:
            return False
        self._calls += 1
        return True


_NOTHING = {
    "en": "I found nothing about this.",
    "de": "Dazu habe ich nichts gefunden.",
    "fr": "Je n'ai rien trouvé à ce sujet.",
    "es": "No he encontrado nada al respecto.",
}


def nothing_found(language: str) -> str:
    return _NOTHING.get(language, _NOTHING["en"])


def _too_late(url: str) -> PageFailure:
    return PageFailure(url, "budget", "the time for this answer was up")


def _id() -> str:
    return f"ws_{secrets.token_hex(24)}"
