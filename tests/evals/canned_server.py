"""A server that answers every request with what it was given, for what `spatz eval --url` makes of answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

__all__ = ["answering"]


@contextmanager
def answering(status: int, *bodies: bytes, **headers: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that says one body after another, then the last again, and what it was asked. With no body it never
    answers.
    """
    asked: list[dict[str, Any]] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            asked.append({"path": self.path, "key": self.headers["Authorization"], **json.loads(self.rfile.read(size))})
            if not bodies:
                over.wait()
                return
            body = bodies[min(len(asked), len(bodies)) - 1]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/", asked
        finally:
            over.set()
            server.shutdown()
            thread.join()
