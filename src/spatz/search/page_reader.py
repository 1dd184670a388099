"""Reading the pages that a search found, and the one that a question names, within bounds of time and bytes.

Sits between the providers and the splitting into passages. A page comes from the result itself (the local index has its
text), from what was read before, or from the web: fetched by the one fetcher there is (inputs/fetch.py, which keeps out
of the operator's network) and read by the processes that read files (inputs/reader.py). What is said on a page is data:
care.py leaves out what speaks to a model. Which pages are tried, and when it is enough, is page_race.py's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from spatz.errors import RequestError
from spatz.inputs.document import Document, ReadOptions
from spatz.inputs.fetch import PAGES, Fetched, Fetcher, FetchRefused
from spatz.inputs.reader import CachedReader
from spatz.search.care import cleaned
from spatz.search.host_limits import HostLimits, retry_seconds
from spatz.search.page import Page, PageFailure
from spatz.search.page_cache import PageCache, WebPage
from spatz.search.page_race import PageError, PageRace
from spatz.search.result import SearchResult
from spatz.search.urls import host_of, same_page

__all__ = ["PageError", "PageReader"]

# What is read as a page. The bytes are looked at in any case, and stores of files call everything an octet stream.
ACCEPTED = (*PAGES, "application/octet-stream", "image/png", "image/jpeg", "image/webp", "image/gif")
AT_ONCE = 8  # pages that are fetched and read, of all requests
MAX_TEXT = 1 << 20  # characters of a page
MAX_PDF_PAGES = 200
READ_SECONDS = 6.0  # for what is read as a picture; the rest of it is left out
MAX_WAIT = 5.0  # seconds until a host's turn; longer than that, another page is read instead
MAX_TITLE = 200


@dataclass(slots=True)
class _Flight:
    """A page that is being fetched, and how many wait for it."""

    task: asyncio.Task[WebPage]
    waiting: int = 0


class PageReader:
    """One per process. Belongs to an event loop; read() and open() may be called by many at once."""

    def __init__(
        self,
        fetcher: Fetcher | None,
        reader: CachedReader,
        options: ReadOptions,
        *,
        page_bytes: int,
        cache_seconds: float,
        host_rate: float,
    ) -> None:
        """fetcher: None where the operator lets nothing be fetched; results with a text of their own are read even so.

        page_bytes: of one page, as it is fetched. host_rate: pages of one host in a second.
        """
        self._fetcher = fetcher
        self._reader = reader
        self._options = replace(
            options,
            max_bytes=page_bytes,
            max_text=min(options.max_text, MAX_TEXT),
            max_pages=min(options.max_pages, MAX_PDF_PAGES),
            max_seconds=min(options.max_seconds, READ_SECONDS),
        )
        self._page_bytes = page_bytes
        self._limits = HostLimits(host_rate)
        self._cache = PageCache(seconds=cache_seconds)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._flights: dict[str, _Flight] = {}

    async def read(
        self,
        results: Sequence[SearchResult],
        *,
        seconds: float,
        most: int,
        admits: Callable[[str], bool] | None = None,
    ) -> tuple[list[Page], list[PageFailure]]:
        """The best `most` pages that could be read in that time, in the order of the results, and what could not be.

        admits: whether a URL may be cited, asked of where redirects lead. Never raises for what is wrong with a page.
        """
        race = PageRace(self._read, page_bytes=self._page_bytes, most=most, admits=admits)
        return await race.run(results, seconds)

    async def open(self, url: str, *, seconds: float) -> Page:
        """The page that a question names. Raises PageError."""
        pages, failures = await self.read([SearchResult(url)], seconds=seconds, most=1)
        if not pages:
            raise PageError(failures[0])
        return replace(pages[0], result=None)

    async def _read(self, result: SearchResult) -> tuple[Page, int]:
        """A result's page, and how many bytes were fetched for it. Raises PageError."""
        if result.text is not None:
            text, left_out = await asyncio.to_thread(cleaned, result.text[:MAX_TEXT])
            if not text.strip():
                raise _no_text(result.url, left_out)
            return Page(result.url, _title(result.title), text, result.date, result, left_out), 0
        found, cost = await self._web_page(result.url)
        title = found.title or _title(result.title)
        return Page(found.url, title, found.markdown, result.date, result, found.left_out), cost

    async def _web_page(self, url: str) -> tuple[WebPage, int]:
        """Of those who want the same page at once, one fetches it. Raises PageError."""
        key = same_page(url)
        kept = self._cache.find(key, _now())
        if isinstance(kept, WebPage):
            return kept, 0
        if kept is not None:
            raise PageError(replace(kept, url=url))
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(self._fetch(key, url)))
            flight.task.add_done_callback(_looked_at)
        flight.waiting += 1
        try:
            found = await asyncio.shield(flight.task)
            return found, found.bytes
        except PageError as error:
            raise PageError(replace(error.failure, url=url)) from None
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()  # nobody wants it any more, if it has not ended
                if self._flights.get(key) is flight:
                    del self._flights[key]

    async def _fetch(self, key: str, url: str) -> WebPage:
        try:
            page = await self._fetched(url)
        except PageError as error:
            if error.lasting:
                self._cache.put(key, error.failure, _now())
            raise
        self._cache.put(key, page, _now())
        return page

    async def _fetched(self, url: str) -> WebPage:
        if self._fetcher is None:
            raise PageError(PageFailure(url, "fetch_off", "this server fetches no URLs (setting 'fetch')"))
        host = host_of(url)
        await self._turn(url, host)
        try:
            async with self._places:
                found = await self._fetcher.fetch(url, ACCEPTED, max_bytes=self._page_bytes, upgrade=True)
                document = await self._document(found)
        except FetchRefused as error:
            if error.answered in (429, 503):
                self._limits.pause(host, retry_seconds(error.retry_after), _now())
            raise _failed(url, error) from None
        except RequestError as error:
            raise _failed(url, error) from None
        text, left_out = await asyncio.to_thread(cleaned, document.markdown)
        if not text.strip():
            raise _no_text(url, left_out)
        return WebPage(found.url, _title(document.title), text, left_out, len(found.data))

    async def _document(self, found: Fetched) -> Document:
        options = replace(self._options, filename=found.filename, media_type=found.content_type)
        return await self._reader.read(found.data, options, "file")

    async def _turn(self, url: str, host: str) -> None:
        now = _now()
        if self._limits.wait(host, now) > MAX_WAIT:
            raise PageError(PageFailure(url, "host_busy", "its host has been asked for too many pages lately"))
        if (seconds := self._limits.take(host, now)) > 0:
            await asyncio.sleep(seconds)


def _title(title: str) -> str:
    """In one line; a title that speaks to a model is none."""
    text, _ = cleaned(" ".join(title.split())[:MAX_TITLE])
    return text.strip()


def _failed(url: str, error: RequestError) -> PageError:
    """Readers say what is wrong in half a sentence or in a whole one."""
    message = error.message.rstrip(".")
    if message[:1].isupper() and message[1:2].islower():
        message = message[0].lower() + message[1:]
    # What is wrong with this server now is not wrong with the page.
    lasting = error.status == 400 and error.code != "input_timeout"
    return PageError(PageFailure(url, error.code or "fetch_failed", message), lasting=lasting)


def _no_text(url: str, left_out: int) -> PageError:
    why = "all that it says is meant for a model, not for readers" if left_out else "there is no text on it to read"
    return PageError(PageFailure(url, "no_text", why), lasting=True)


def _looked_at(task: asyncio.Task[WebPage]) -> None:
    if not task.cancelled():
        task.exception()  # whoever wanted it may have gone


def _now() -> float:
    return asyncio.get_running_loop().time()
