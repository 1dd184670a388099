"""Pages of a web server into the index: one, what it links to, what a sitemap lists; politely, and only what is new."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inputs.asking import Web, answer, local_fetcher, redirect, web
from search.index.filling import fill
from spatz.search.index.gather import Bounds
from spatz.search.index.hosts import Hosts
from spatz.search.index.local_index import LocalIndex
from spatz.search.index.source import Source
from spatz.search.index.tally import Tally


@pytest.fixture
async def served() -> AsyncIterator[Web]:
    async with web() as server:
        yield server


def page(text: str, *links: str, head: str = "", headers: tuple[str, ...] = ()) -> bytes:
    anchors = "".join(f'<a href="{link}">more</a> ' for link in links)
    html = f"<html><head><title>{text.split()[0]}</title>{head}</head><body><p>{text}</p>{anchors}</body></html>"
    return answer(html.encode(), *headers, kind="text/html")


def paths(served: Web) -> list[str]:
    return [head.split()[1] for head in served.asked]


def found(folder: Path, question: str) -> list[str]:
    with LocalIndex.open(folder) as index:
        return [hit.url for hit in index.search(question)]


async def crawl(served: Web, folder: Path, path: str = "/", *, depth: int = 3, max_pages: int = 50) -> Tally:
    served.asked.clear()
    source = Source("crawl" if depth else "page", served.local(path), depth=depth, max_pages=max_pages)
    return await fill(folder, source, prune=True, fetcher=local_fetcher(served))


async def test_a_crawl_follows_links_on_its_host_level_by_level(served: Web, tmp_path: Path) -> None:
    served.pages["/"] = page(
        "Start page",
        "/a",
        "b#part",
        "/a?utm_source=x",
        "https://elsewhere.test/",
        "/pic.png",
        "mailto:a@b",
        "http://[broken",
    )
    served.pages["/a"] = page("Alphaword page", "/", "/deep")
    served.pages["/b"] = page("Betaword page", "/gone", "/away")
    served.pages["/deep"] = page("Deepword page", "/deeper")
    served.pages["/away"] = redirect("/a")
    tally = await crawl(served, tmp_path, depth=2)
    assert sorted(paths(served)) == ["/", "/a", "/a", "/away", "/b", "/deep", "/gone", "/robots.txt"]
    assert [one.address for one in tally.failures] == [served.local("/gone")] and tally.added == 4
    assert found(tmp_path, "alphaword") == [served.local("/a")]
    tally = await crawl(served, tmp_path, depth=2, max_pages=2)
    assert "2 pages are the bound" in tally.notes[0] and tally.removed == 0
    served.pages["/"] = page("Start page", "/b")
    assert (await crawl(served, tmp_path, depth=1)).removed == 2 and found(tmp_path, "deepword") == []


async def test_robots_txt_is_heeded(served: Web, tmp_path: Path) -> None:
    served.pages["/robots.txt"] = answer(b"User-agent: *\nDisallow: /private\n")
    served.pages["/"] = page("Start page", "/private/x", "/open", "/leads")
    served.pages["/private/x"] = page("Privateword page")
    served.pages["/open"] = page("Openword page")
    served.pages["/leads"] = redirect("/private/x")
    tally = await crawl(served, tmp_path)
    assert "/private/x" not in [path for path in paths(served) if path != "/leads"][:3]
    assert tally.added == 2 and tally.skipped == {"not allowed by robots.txt": 2}
    assert found(tmp_path, "privateword") == []
    assert paths(served).count("/robots.txt") == 1
    tally = await crawl(served, tmp_path, "/private/x", depth=0)
    assert "robots.txt" in tally.failures[0].message and paths(served) == ["/robots.txt"]


@pytest.mark.parametrize(("status", "asked"), [("404 Not Found", True), ("403 Forbidden", True), ("500 No", False)])
async def test_without_robots_txt_a_site_is_open_and_one_in_trouble_is_left_alone(
    served: Web, tmp_path: Path, status: str, asked: bool
) -> None:
    served.pages["/robots.txt"] = answer(b"", status=status)
    served.pages["/"] = page("Start page")
    await crawl(served, tmp_path, depth=0)
    assert ("/" in paths(served)) is asked


async def test_a_site_may_ask_for_time_between_pages(served: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    served.pages["/robots.txt"] = answer(b"User-agent: spatz\nCrawl-delay: 7\n")
    served.pages["/"] = page("Start page")
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(round(seconds))

    hosts = Hosts(local_fetcher(served), rate=1_000)
    await hosts.get(served.local("/"), max_bytes=10_000)
    with monkeypatch.context() as patched:
        patched.setattr("spatz.search.index.hosts.asyncio.sleep", sleep)
        await hosts._turn("web.test", 7)
        await hosts._turn("web.test", 7)
        await hosts._turn("web.test", 7)
    assert waits == [7, 14]
    await hosts.close()


async def test_a_host_that_is_asked_too_often_is_given_time(served: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    async def busy(writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.write(answer(b"", "Retry-After: 0", status="429 Slow") if calls == 1 else page("Busyword page"))

    served.pages["/"] = busy
    hosts = Hosts(local_fetcher(served), rate=1_000)
    found = await hosts.get(served.local("/"), max_bytes=10_000)
    assert b"Busyword" in found.data and calls == 2
    await hosts.close()


async def test_what_has_not_changed_is_not_sent_again(served: Web, tmp_path: Path) -> None:
    headers = ('ETag: "v1"', "Last-Modified: Tue, 05 May 2026 10:00:00 GMT")

    async def conditional(writer: asyncio.StreamWriter) -> None:
        fresh = 'If-None-Match: "v1"' in served.asked[-1] and "If-Modified-Since: Tue, 05 May" in served.asked[-1]
        writer.write(b"HTTP/1.1 304 Not Modified\r\n\r\n" if fresh else page("Start page", "/a", headers=headers))

    served.pages["/"] = conditional
    served.pages["/a"] = page("Alphaword page")
    assert (await crawl(served, tmp_path)).added == 2
    with LocalIndex.open(tmp_path) as index:
        assert [entry.date for entry in index.list()] == ["2026-05-05", ""]
    tally = await crawl(served, tmp_path)
    assert (tally.unchanged, tally.added, tally.removed) == (2, 0, 0)  # the links of the first are known
    served.pages["/a"] = answer(b"", status="410 Gone")
    tally = await crawl(served, tmp_path)
    assert tally.removed == 1 and found(tmp_path, "alphaword") == []
    served.pages["/"] = answer(b"", "Retry-After: 0", status="503 Later")
    tally = await crawl(served, tmp_path)
    assert tally.removed == 0 and found(tmp_path, "start page") == [served.local("/")]


async def test_pages_that_ask_not_to_be_indexed_or_followed(served: Web, tmp_path: Path) -> None:
    served.pages["/"] = page("Start page", "/no", "/header", "/stop")
    served.pages["/no"] = page("Noword page", head='<meta name="robots" content="noindex">')
    served.pages["/header"] = page("Headerword page", headers=("X-Robots-Tag: noindex",))
    served.pages["/stop"] = page("Stopword page", "/behind", head='<meta name="robots" content="nofollow">')
    tally = await crawl(served, tmp_path)
    assert tally.added == 2 and tally.skipped == {"asks not to be indexed": 2} and "/behind" not in paths(served)


async def test_a_sitemap_of_sitemaps(served: Web, tmp_path: Path) -> None:
    local = served.local
    served.pages["/sitemap.xml"] = answer(
        f"<sitemapindex><sitemap><loc>{local('/one.xml.gz')}</loc></sitemap>"
        f"<sitemap><loc>{local('/sitemap.xml')}</loc></sitemap></sitemapindex>".encode()
    )
    one = (
        f"<urlset><url><loc>{local('/a')}</loc><lastmod>2020-02-02</lastmod></url><url><loc>{local('/b')}</loc></url>"
        "<url><loc>https://elsewhere.test/</loc></url></urlset>"
    )
    served.pages["/one.xml.gz"] = answer(gzip.compress(one.encode()), kind="application/gzip")
    served.pages["/a"], served.pages["/b"] = page("Alphaword page"), page("Betaword page", "/unlisted")
    source = Source("sitemap", local("/sitemap.xml"), max_pages=10)
    tally = await fill(tmp_path, source, fetcher=local_fetcher(served))
    assert tally.added == 2 and tally.skipped == {"on another host than its sitemap": 1} and tally.failed == 0
    with LocalIndex.open(tmp_path) as index:
        assert [entry.date for entry in index.list()] == ["2020-02-02", ""]
    served.asked.clear()
    tally = await fill(tmp_path, source, fetcher=local_fetcher(served), prune=True)
    assert tally.unchanged == 2 and "/a" not in paths(served) and "/b" in paths(served)
    served.pages["/one.xml.gz"] = answer(b"no sitemap")
    tally = await fill(tmp_path, source, fetcher=local_fetcher(served), prune=True)
    assert tally.removed == 0 and tally.failures[0].message == "it is no sitemap"


async def test_bounds_on_bytes(served: Web, tmp_path: Path) -> None:
    served.pages["/"] = page("Start page", "/large", "/next")
    served.pages["/large"] = page("Large page " + "x" * 50_000)
    served.pages["/next"] = page("Next page", "/last")
    source = Source("crawl", served.local("/"), depth=3)
    bounds = Bounds(page_bytes=5_000, total_bytes=200, parallel=1)
    tally = await fill(tmp_path, source, fetcher=local_fetcher(served), bounds=bounds)
    assert tally.added == 2 and "more than 5000 bytes" in tally.failures[0].message and "bound" in tally.notes[0]


async def test_the_operators_network_is_not_reached(served: Web, tmp_path: Path) -> None:
    source = Source("page", "https://10.0.0.1/")
    tally = await fill(tmp_path, source, fetcher=local_fetcher(served))
    assert tally.failures[0].message == "the URL's host cannot be reached or is not allowed"
    assert (await fill(tmp_path, source)).failures[0].message == "URLs are not fetched (setting 'fetch')"
