"""A hub on 127.0.0.1 that behaves like the real one: listing with checksums, redirects to another host, byte ranges;
and, when a test asks for it, cut connections, wrong content and servers that are down.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40


@dataclass
class Hub:
    """What it holds, how it misbehaves, and what it was asked."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)  # repo: name: content
    licence: str = "apache-2.0"
    small: int = 1000  # files below this size have only git's blob id
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers end
    statuses: list[int] = field(default_factory=list)  # of the next answers with content
    alter: Callable[[bytes], bytes] = bytes  # what is sent instead of the content
    listing: Callable[[dict[str, Any]], Any] = dict  # what is sent instead of the listing
    redirect: str = ""  # where content is, when not on this server
    token: str = ""  # needed for everything but the redirect's target
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # host, path, headers
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def describe(self, repo: str) -> dict[str, Any]:
        siblings = []
        for name, content in self.files[repo].items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(content)}
            entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            if len(content) >= self.small:
                entry["blobId"] = "0" * 40  # of the pointer
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        return {"id": repo, "sha": COMMIT, "siblings": siblings, "cardData": {"license": self.licence}}

    def content_requests(self) -> list[dict[str, str]]:
        return [headers for _, path, headers in self.requests if path.startswith("/cdn/")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        host = self.headers["Host"].split(":")[0]
        self.hub.requests.append((host, path, dict(self.headers)))
        if (
            not path.startswith("/cdn/")
            and self.hub.token
            and self.headers["Authorization"] != f"Bearer {self.hub.token}"
        ):
            return self._answer(401)
        if path.startswith("/api/models/"):
            repo = path.removeprefix("/api/models/").removesuffix("/revision/main")
            if repo not in self.hub.files:
                return self._answer(404)
            return self._answer(200, json.dumps(self.hub.listing(self.hub.describe(repo))).encode())
        org, repo, *rest = path.removeprefix("/cdn/").strip("/").split("/")
        name = "/".join(rest[2:])
        if f"{org}/{repo}" not in self.hub.files or rest[:2] != ["resolve", COMMIT]:
            return self._answer(404)
        if not path.startswith("/cdn/"):
            target = self.hub.redirect or f"http://localhost:{self.hub.port}/cdn{path}"
            return self._answer(302, headers={"Location": target})
        return self._content(self.hub.files[f"{org}/{repo}"][name])

    def _content(self, content: bytes) -> None:
        if self.hub.statuses:
            status = self.hub.statuses.pop(0)
            if status != 200:
                return self._answer(status)
        content = self.hub.alter(content)
        asked = self.headers["Range"]
        if asked is None or not self.hub.ranges:
            return self._answer(200, content)
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            return self._answer(416)
        span = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return self._answer(206, content[start:], span)

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status in (200, 206) and self.path.startswith("/cdn/") and self.hub.cuts:
            body = body[: self.hub.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that hangs up is part of the tests
            super().handle_error(request, client_address)


class HubServer:
    """Runs a Hub in a thread, as a context manager."""

    def __init__(self) -> None:
        self.hub = Hub()
        handler = type("Handler", (_Handler,), {"hub": self.hub})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.hub.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Hub:
        self._thread.start()
        return self.hub

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
