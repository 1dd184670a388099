"""Pages from the network for the index: one, those that its links lead to, or those that a sitemap lists.

A crawl stays on its first page's host and goes level by level, so that a bound on pages takes the nearest ones. Pages
that have not changed are not sent again (ETag, Last-Modified), or not even asked for (a sitemap's lastmod).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urljoin, urlsplit

from spatz.errors import RequestError
from spatz.inputs.fetch import Fetched, FetchRefused, Known
from spatz.search.index import sitemap
from spatz.search.index.entry import Entry, NewDocument
from spatz.search.index.hosts import Disallowed, Hosts
from spatz.search.index.reading import Reading
from spatz.search.index.source import Source
from spatz.search.urls import tidy

if TYPE_CHECKING:
    from spatz.search.index.gather import Gatherer

__all__ = ["Crawl"]

MOST_SITEMAPS = 1_000
MOST_WAITING = 200_000  # links of one level
GONE = frozenset({404, 410})
_NO_PAGES = re.compile(
    r"\.(?:7z|avi|bmp|bz2|css|deb|dmg|eot|exe|flac|gif|gz|ico|iso|jar|jpe?g|js|json|map|mjs|mov|mp[34]|mpe?g|ogg|png|rpm|"
    r"rss|svg|tar|tgz|tiff?|ttf|wasm|wav|webm|webp|whl|woff2?|xml|xz|zip|zst)$",
    re.IGNORECASE,
)


class Crawl:
    """One source's going through."""

    def __init__(self, gatherer: Gatherer, hosts: Hosts, source: Source, number: int, seen: set[str]) -> None:
        """seen: keys that the source still leads to; added to."""
        self._gatherer = gatherer
        self._hosts = hosts
        self._source = source
        self._number = number
        self._seen = seen
        self._tally = gatherer.tally
        self._whole = True
        self._asked = 0

    async def run(self) -> bool:
        """Whether it came to its end, so that what was not seen is gone."""
        if self._source.kind == "sitemap":
            await self._sitemap()
        else:
            await self._levels([(_normal(self._source.address), "")])
        return self._whole

    async def _levels(self, first: Iterable[tuple[str, str]]) -> None:
        """first: (URL, when it was last changed) of the first level."""
        level = dict(first)
        known = set(level)
        depth = self._source.depth if self._source.kind == "crawl" else 0
        for distance in range(depth + 1):
            links: dict[str, str] = {}

            async def work(item: tuple[str, str], distance: int = distance, links: dict[str, str] = links) -> None:
                for link in await self._page(*item):
                    if distance < depth and link not in known and len(links) < MOST_WAITING:
                        known.add(link)
                        links[link] = ""

            wanted = list(level.items())
            if self._source.max_pages and self._asked + len(wanted) > self._source.max_pages:
                left_out = self._asked + len(wanted) - self._source.max_pages
                wanted = wanted[: self._source.max_pages - self._asked]
                self._cut(f"{left_out} of its links were left out: {self._source.max_pages} pages are the bound")
            self._asked += len(wanted)
            if not await self._gatherer.each(wanted, work, self._gatherer.bounds.parallel):
                self._whole = False
                return
            level = links
            if not level:
                return

    async def _page(self, url: str, changed: str = "") -> Iterable[str]:
        """Its links that stay on the source's host. changed: what a sitemap says, YYYY-MM-DD."""
        try:
            return await self._looked_at(url, changed)
        except Disallowed:
            self._tally.skipped["not allowed by robots.txt"] += 1
            self._forget(url)
            if url == _normal(self._source.address):
                self._tally.fail(url, "the site's robots.txt does not allow it")
        except FetchRefused as error:
            self._tally.fail(url, error.message)
            if error.answered in GONE:
                self._forget(url)
            else:
                self._seen.add(url)  # it may be back
        except RequestError as error:
            self._seen.add(url)
            self._tally.fail(url, error.message)
        finally:
            self._gatherer.progress(url)
        return ()

    async def _looked_at(self, url: str, changed: str) -> Iterable[str]:
        """Raises RequestError."""
        writer = self._gatherer.writer
        entry = writer.known(self._number, url)
        if entry is not None and changed and changed < datetime.fromtimestamp(entry.indexed, UTC).date().isoformat():
            return self._unchanged(url, entry)
        if self._gatherer.fetched_bytes >= self._gatherer.bounds.total_bytes:
            self._cut(f"{self._gatherer.bounds.total_bytes >> 20} MiB were fetched, which is the bound")
            self._seen.add(url)
            return ()
        known = Known(entry.etag, entry.last_modified) if entry is not None else None
        found = await self._hosts.get(url, max_bytes=self._gatherer.bounds.page_bytes, known=known)
        self._gatherer.fetched_bytes += len(found.data)
        digest = hashlib.sha256(found.data).hexdigest()
        if entry is not None and (found.unchanged or digest == entry.hash):
            return self._unchanged(url, entry)
        if self._source.kind != "page" and urlsplit(found.url).netloc != urlsplit(self._source.address).netloc:
            self._tally.skipped["leads to another host"] += 1
            return ()
        if self._source.kind == "page" and sitemap.is_sitemap(found.data):
            self._tally.fail(
                url, "it is a sitemap: give its pages' bounds with --max-pages, and a name that ends in .xml"
            )
            return ()
        reading = await self._gatherer.read(found.data, found.filename, found.content_type)
        links = tuple(_links(reading, found, urlsplit(self._source.address).netloc)) if reading.follow else ()
        if self._source.kind != "page" and not _may_be_indexed(reading, found):
            self._tally.skipped["asks not to be indexed"] += 1
            self._forget(url)
        elif not reading.markdown.strip():
            self._tally.skipped["no text"] += 1
            self._forget(url)
        else:
            put = writer.put(_document(found, reading, digest, changed, links), self._number, url)
            self._seen.add(url)
            self._tally.count(put)
        return links

    def _unchanged(self, url: str, entry: Entry) -> Iterable[str]:
        self._gatherer.writer.touch(self._number, url, entry.id)
        self._seen.add(url)
        self._tally.count("unchanged")
        return self._gatherer.writer.links(entry.id)

    async def _sitemap(self) -> None:
        """Its pages, and those of the sitemaps that it lists, on its own host."""
        host = urlsplit(self._source.address).netloc
        waiting = [_normal(self._source.address)]
        known = set(waiting)
        pages: dict[str, str] = {}
        while waiting:
            url = waiting.pop(0)
            if self._gatherer.out_of_time():
                self._whole = False
                return
            try:
                found = await self._hosts.get(url, max_bytes=sitemap.MOST_BYTES)
                listed = sitemap.parse(found.data)
            except RequestError as error:
                self._whole = False
                self._tally.fail(url, error.message)
                continue
            for page, changed in listed.pages:
                if urlsplit(page).netloc == host:
                    pages[_normal(page)] = changed
                else:
                    self._tally.skipped["on another host than its sitemap"] += 1
            new = [one for one in map(_normal, listed.sitemaps) if one not in known and urlsplit(one).netloc == host]
            if len(known) + len(new) > MOST_SITEMAPS:
                self._cut(f"it lists more than {MOST_SITEMAPS} sitemaps")
                new = new[: MOST_SITEMAPS - len(known)]
            known.update(new)
            waiting += new
        await self._levels(pages.items())

    def _forget(self, url: str) -> None:
        if self._gatherer.writer.forget(self._number, url):
            self._tally.removed += 1

    def _cut(self, line: str) -> None:
        self._whole = False
        line = f"{self._source.address}: {line}"
        if line not in self._tally.notes:
            self._tally.notes.append(line)


def _document(found: Fetched, reading: Reading, digest: str, changed: str, links: tuple[str, ...]) -> NewDocument:
    url = tidy(found.url)
    return NewDocument(
        url=url,
        title=reading.title or urlsplit(url).path.rpartition("/")[2] or url,
        markdown=reading.markdown,
        date=reading.date or changed or _date(found.last_modified),
        hash=digest,
        etag=found.etag,
        last_modified=found.last_modified,
        bytes=len(found.data),
        links=links,
    )


def _may_be_indexed(reading: Reading, found: Fetched) -> bool:
    words = {word.strip().lower() for word in found.robots.rpartition(":")[2].split(",")}
    return reading.index and not words & {"noindex", "none"}


def _links(reading: Reading, found: Fetched, host: str) -> Iterable[str]:
    """Whole URLs of pages on a host, each once."""
    base = urljoin(found.url, reading.base) if reading.base else found.url
    links: dict[str, None] = {}
    for link in reading.links:
        try:
            url = _normal(urljoin(base, link))
            parts = urlsplit(url)
        except ValueError:
            continue
        if parts.scheme not in ("http", "https") or parts.netloc != host or _NO_PAGES.search(parts.path):
            continue
        # Where the first page came over https, all do.
        links[parts._replace(scheme=urlsplit(found.url).scheme).geturl()] = None
    return links


def _normal(url: str) -> str:
    return tidy(urldefrag(url.strip())[0])


def _date(last_modified: str) -> str:
    try:
        return parsedate_to_datetime(last_modified).astimezone(UTC).date().isoformat() if last_modified else ""
    except (TypeError, ValueError, OverflowError):
        return ""
