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
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from spatz.engine.request import ContextMode, Request
from spatz.prompt.tools import chosen
from spatz.prompt.turn import GrammarFormat, Location, Message, OutputFormat, Turn, WebSearch, spoken
from spatz.search.brief import Brief, Size, brief
from spatz.search.care import cleaned
from spatz.search.dates import dated, freshness_of
from spatz.search.facts import asks_for_facts
from spatz.search.nothing import nothing_found
from spatz.search.page import Page, PageFailure
from spatz.search.page_reader import PageError
from spatz.search.passage import Passage
from spatz.search.places import placed
from spatz.search.query import SearchQuery
from spatz.search.questions import Question, question_of
from spatz.search.quoting import asks_plainly, quote_grammar
from spatz.search.ranking import rank, tells
from spatz.search.result import ProviderReport, SearchResult
from spatz.search.splitting import split
from spatz.search.urls import allowed
from spatz.search.use import PageUse, SearchUse
from spatz.server.context import context_limit
from spatz.server.events import SearchAction, SearchDone, SearchStarted
from spatz.server.served import ServedModel
from spatz.server.web import SEARCHING, Web

__all__ = ["Findings", "Research", "question_in"]

ASSUMED_OUTPUT = 512  # tokens of an answer whose request sets no bound
INNER = 0.95  # share of the time that is left, which a part of it may take: it has to say what it has done
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
    plain: bool = True  # the answer is a text, and not of a form that the client asked for


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
        async with aclosing(self._open()) as opened:
            async for event in opened:
                yield event
        if not self._pages and self._question.query and (self._question.pattern or not self._question.urls):
            async for event in self._search():
                yield event
        # In a thread: pages may be long.
        self._findings = await asyncio.to_thread(self._findings_of, self._pages)

    async def _open(self) -> AsyncGenerator[SearchStarted | SearchDone, None]:
        """The pages that the question names, at once; and what is asked about each, found in it."""
        urls = [url for url in self._question.urls[: self._reach.pages] if self._admits(url) and self._may_call()]
        begun = [SearchStarted(_id(), SearchAction("open_page", url=url)) for url in urls]
        tasks = [asyncio.create_task(self._opened(url)) for url in urls]
        try:
            for started in begun:
                yield started
            for started, task in zip(begun, tasks, strict=True):
                page = await task
                source = () if page is None else (SearchResult(page.url, page.title, date=page.date),)
                yield SearchDone(started.id, started.action, source, failed=page is None)
                if page is None:
                    continue
                self._pages.append(page)
                if self._question.pattern and self._may_call():
                    found = SearchAction("find_in_page", url=page.url, pattern=self._question.pattern)
                    finding = SearchStarted(_id(), found)
                    yield finding
                    yield SearchDone(finding.id, found, source)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _opened(self, url: str) -> Page | None:
        try:
            async with asyncio.timeout(self._left):
                return await self._web.pages.open(url, seconds=self._left * INNER)
        except PageError as error:
            self._notes.failures.append(error.failure)
        except TimeoutError:
            self._notes.failures.append(_too_late(url))
        return None

    async def _search(self) -> AsyncGenerator[SearchStarted | SearchDone, None]:
        if not self._may_call():
            return
        queries = self._queries()
        action = SearchAction("search", tuple(query.text for query in queries))
        started = SearchStarted(_id(), action)
        yield started
        self._notes.queries += action.queries
        results = await self._results(queries)
        if not results and queries[0].freshness is not None and self._left > 1:
            # What is that new is not dated everywhere.
            results = await self._results([replace(query, freshness=None) for query in queries])
        await self._read(results)
        yield SearchDone(started.id, action, tuple(replace(result, text=None) for result in results), not results)

    def _queries(self) -> list[SearchQuery]:
        """The first is the main one."""
        question, wanted = self._question, self._wanted
        place = wanted.location or Location()
        today = self._web.today(place.timezone)
        texts = [
            placed(dated(text, question.text, today, question.language), question.text, place.city or place.region)
            for text in (question.query, question.wider)
            if text
        ]
        query = SearchQuery(
            texts[0],
            count=self._reach.results,
            language=question.language,
            country=place.country,
            place=", ".join(name for name in (place.city, place.region, place.country) if name),
            domains=wanted.allowed_domains,
            blocked_domains=wanted.blocked_domains,
            freshness=freshness_of(question.text),
        )
        return [replace(query, text=text) for text in texts]

    async def _results(self, queries: Sequence[SearchQuery]) -> tuple[SearchResult, ...]:
        seconds = self._left * SEARCHING
        try:
            async with asyncio.timeout(self._left):
                found = await self._web.searcher.search_all(queries, seconds=seconds)
        except TimeoutError:
            self._notes.providers = [ProviderReport("search", seconds=seconds, error="it took too long")]
            return ()
        self._notes.providers = list(found.reports)
        return found.results

    async def _read(self, results: Sequence[SearchResult]) -> None:
        """The best pages; of those that cannot be read, what the provider said of them."""
        if not results:
            return
        try:
            async with asyncio.timeout(self._left):
                pages, failures = await self._web.pages.read(
                    results, seconds=self._left * INNER, most=self._reach.pages, admits=self._admits
                )
        except TimeoutError:
            pages, failures = [], [_too_late(result.url) for result in results[: self._reach.pages]]
        read = {page.result.url for page in pages if page.result is not None}
        self._notes.failures += failures
        self._pages += pages
        self._pages += [
            page for result in results[: self._reach.pages] if result.url not in read and (page := _snippet(result))
        ]

    def _findings_of(self, pages: Sequence[Page]) -> Findings:
        question = self._question.full
        room = self._room
        passages = self._passages(question, pages)
        if passages and room < LEAST_ROOM:
            self._notes.failures.append(PageFailure("", "no_room", "the prompt leaves no room for what pages say"))
            return Findings(self._answering, question, (), self._use(pages, (), 0))
        if not passages:
            return Findings(self._without(), question, (), self._use(pages, (), 0))
        made = brief(passages, question, size=self._wanted.size, count=self._count, room=room)
        turn = replace(self._answering, messages=made.put(self._turn.messages), output_format=self._format(made))
        plain = self._turn.output_format is None
        return Findings(turn, question, made.passages, self._use(pages, made.passages, made.tokens), plain)

    def _format(self, made: Brief) -> OutputFormat | None:
        """The client's, or that it begins with what a page says, where the model is better not left to itself."""
        turn = self._turn
        if turn.output_format is None and not self._model.dialect.trained:
            said = [spoken(message["content"]) for message in turn.messages if message["role"] == "user"]
            grammar = quote_grammar(made.quotes) if asks_plainly(said[-1], turn.messages) else ""
            return GrammarFormat("lark", grammar) if grammar else None
        return turn.output_format

    def _passages(self, question: str, pages: Sequence[Page]) -> list[Passage]:
        """What says something to the point, best first; of a page that was asked for as a whole, its beginning."""
        most = self._reach.passages
        if not pages:
            return []
        if self._question.urls and not self._question.pattern:
            return [passage for page in pages for passage in split(page)[: most // len(pages) or 1]]
        passages = rank(question, [self._question.query, *self._notes.queries], pages, most=most)
        return passages if tells(question, passages) else []

    def _without(self) -> Turn:
        """Nothing was found: the answer says so, unless it has to be of another form, or nothing was to be found."""
        turn, question = self._answering, self._question
        unread = bool(question.urls) and not self._pages
        said = nothing_found(question.language, unread=unread)
        if turn.output_format is not None:
            note = {"type": "text", "text": nothing_found("en", unread=unread)}
            return replace(turn, messages=_with_part(turn.messages, note))
        if not unread and asks_for_facts(question.text) == "no":
            return turn
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


def _snippet(result: SearchResult) -> Page | None:
    """What the provider says of a page, in the page's place; it is no less data of strangers."""
    text, left_out = cleaned(result.snippet)
    return Page(result.url, cleaned(result.title)[0], text, result.date, result, left_out) if text.strip() else None


def _with_part(messages: Sequence[Message], part: dict[str, str]) -> list[Message]:
    """In the last message of the user."""
    place = max(index for index, message in enumerate(messages) if message["role"] == "user")
    content = messages[place]["content"]
    own = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
    return [*messages[:place], {**messages[place], "content": [*own, part]}, *messages[place + 1 :]]


def _too_late(url: str) -> PageFailure:
    return PageFailure(url, "budget", "the time for this answer was up")


def _id() -> str:
    return f"ws_{secrets.token_hex(24)}"
