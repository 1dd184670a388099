"""A web server on this machine, for evals and tests: the corpus as a site, with robots.txt and sitemaps.

It serves what it is given and nothing else, on 127.0.0.1 alone, and is closed at the end. `Site.requests` tells what
was asked of it.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from spatz.evals.search.corpus import SearchCorpus

__all__ = ["PRIVATE", "Reply", "Request", "Site", "running_site", "site_of"]

PRIVATE = "/private/ledger.html"  # robots.txt asks not to read it
_PRIVATE_TEXT = "The private ledger of the Underhill society lists 901 debtors. It is not for search engines."
_MOST_SECONDS = 600.0
_MOST_REQUESTS = 1_000_000  # remembered: none is forgotten in a run


@dataclass(frozen=True, slots=True)
class Request:
    path: str  # without the query
    query: Mapping[str, str]
    headers: Mapping[str, str]  # with lower names


@dataclass(frozen=True, slots=True)
class Reply:
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    endless: bool = False  # the body again and again, until the client goes away or the server is closed
    stuck: bool = False  # nothing comes after the body, and no end


Answer = Callable[[Request], Reply | None]
"""What a site says to a request; None: there is no such page. Called by many threads at once."""


@dataclass
class Site:
    url: str  # http://127.0.0.1:PORT, without a slash at its end
    closed: threading.Event = field(default_factory=threading.Event)
    requests: list[Request] = field(default_factory=list)

    def of(self, path: str) -> str:
        return self.url + path


@contextmanager
def running_site(answer: Answer) -> Iterator[Site]:
    site = Site("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30.0
        server_version = "EvalSite"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            request = Request(parts.path, asked, {name.lower(): value for name, value in self.headers.items()})
            if len(site.requests) < _MOST_REQUESTS:
                site.requests.append(request)
            self._say(answer(request) or Reply(b"<h1>Not found</h1>", status=404))

        def do_HEAD(self) -> None:
            self.do_GET()

        def _say(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.endless or reply.stuck:
                self.send_header("Connection", "close")
                self.close_connection = True
            else:
                self.send_header("Content-Length", str(len(reply.body)))
            try:
                self.end_headers()
                if self.command == "HEAD":
                    return
                self.wfile.write(reply.body)
                while reply.endless and not site.closed.is_set():
                    self.wfile.write(reply.body)
                if reply.stuck:
                    self.wfile.flush()
                    site.closed.wait(_MOST_SECONDS)
            except OSError:  # the client went away
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="eval-site", daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.closed.set()
        server.shutdown()
        thread.join()
        server.server_close()


def site_of(corpus: SearchCorpus) -> Answer:
    """The pages, a front page and one for each section that link to them, sitemaps, and robots.txt."""
    sections: dict[str, list[str]] = {}
    for path, page in corpus.pages.items():
        sections.setdefault(page.section, []).append(path)

    def answer(request: Request) -> Reply | None:
        page = corpus.pages.get(request.path)
        if page is not None:
            return Reply(page.body, page.content_type)
        base = f"http://{request.headers.get('host', '')}"
        if request.path == "/robots.txt":
            text = f"User-agent: *\nDisallow: /private/\nAllow: /\n\nSitemap: {base}/sitemap.xml\n"
            return Reply(text.encode(), "text/plain")
        if request.path == "/sitemap.xml":
            maps = "".join(f"<sitemap><loc>{base}/sitemap-{name}.xml</loc></sitemap>" for name in sections)
            return _xml(f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{maps}</sitemapindex>')
        name = request.path.removeprefix("/sitemap-").removesuffix(".xml")
        if request.path == f"/sitemap-{name}.xml" and name in sections:
            urls = "".join(
                f"<url><loc>{base}{path}</loc><lastmod>{corpus.pages[path].date}</lastmod></url>"
                for path in sections[name]
            )
            return _xml(f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>')
        if request.path == "/":
            links = [f"/{name}/" for name in sections]
            return _links("Documentation", [(link, link.strip("/")) for link in links] + [(PRIVATE, "The ledger")])
        name = request.path.strip("/")
        if name in sections:
            return _links(name, [(path, corpus.pages[path].title) for path in sections[name]])
        if request.path == PRIVATE:
            return Reply(f"<title>The ledger</title><p>{_PRIVATE_TEXT}</p>".encode())
        return None

    return answer


def _xml(text: str) -> Reply:
    return Reply(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), "application/xml")


def _links(title: str, links: list[tuple[str, str]]) -> Reply:
    items = "".join(f'<li><a href="{path}">{html.escape(name)}</a></li>' for path, name in links)
    return Reply(
        f"<!DOCTYPE html><title>{html.escape(title)}</title><h1>{html.escape(title)}</h1><ul>{items}</ul>".encode()
    )
