"""The site that serves the corpus."""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlsplit

from spatz.evals.search.corpus import build
from spatz.evals.search.site import PRIVATE, Reply, Request, Site, running_site, site_of


def get(site: Site, path: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def test_every_page_is_in_a_sitemap_and_linked() -> None:
    corpus = build(pages=40, questions=12)
    with running_site(site_of(corpus)) as site:
        assert f"Sitemap: {site.url}/sitemap.xml" in get(site, "/robots.txt")[2].decode()
        maps = re.findall(r"<loc>([^<]+)</loc>", get(site, "/sitemap.xml")[2].decode())
        pages = [
            url
            for address in maps
            for url in re.findall(r"<loc>([^<]+)</loc>", get(site, urlsplit(address).path)[2].decode())
        ]
        assert sorted(pages) == sorted(site.of(path) for path in corpus.pages)
        front = re.findall(r'href="([^"]+)"', get(site, "/")[2].decode())
        assert PRIVATE in front and get(site, PRIVATE)[0] == 200
        linked = {path for section in front for path in re.findall(r'href="([^"]+)"', get(site, section)[2].decode())}
        assert linked >= corpus.pages.keys()
        for path, page in list(corpus.pages.items())[:5]:
            assert get(site, path) == (200, page.content_type, page.body)
        assert get(site, "/no/such/page")[0] == 404


def test_an_endless_page_ends_with_the_server() -> None:
    with running_site(lambda request: Reply(b"x" * 1000, endless=True)) as site:
        connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=10)
        connection.request("GET", "/a?b=c", headers={"User-Agent": "test"})
        response = connection.getresponse()
        assert response.read(50_000) == b"x" * 50_000
        [request] = site.requests
        assert isinstance(request, Request)
        assert (request.path, request.query, request.headers["user-agent"]) == ("/a", {"b": "c"}, "test")
    connection.close()
    response.close()
    assert site.closed.is_set()
