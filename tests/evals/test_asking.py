"""Who is asked: this process and a server give the same answers, and what goes wrong is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from server.running import RunningServer
from spatz.config import Settings
from spatz.engine.request import ContextMode
from spatz.errors import SpatzError
from spatz.evals.asking import LocalAsker, UrlAsker
from spatz.evals.counting import PromptMaker
from spatz.server.local import local_model

MESSAGES = [{"role": "user", "content": "The capital of France is Paris. So what is the capital of France?"}]
EXACT = ContextMode.EXACT


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that always says the same, and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            asked.append({"path": self.path, "key": self.headers["Authorization"], **json.loads(self.rfile.read(size))})
            self.send_response(status)
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
            server.shutdown()
            thread.join()


def test_this_process_and_a_server(
    server: RunningServer, server_dir: Path, model_path: Path, maker: PromptMaker, tmp_path: Path
) -> None:
    (tmp_path / "models").symlink_to(server_dir / "models", target_is_directory=True)
    tokens = maker.tokenizer.encode("The sun rises in the east and sets in the west.")
    name = "smollm2-135m-instruct"
    with closing(UrlAsker(server.base_url, name, "", EXACT, maker)) as remote:
        there = remote.ask(MESSAGES, 12), remote.ask(MESSAGES, 4, "It is the city of")
        scored = remote.logprobs(tokens)
        failed = remote.ask([{"role": "user", "content": "word " * 9_000}], 12)
    with local_model(Settings(data_dir=tmp_path), model_path) as model:
        local = LocalAsker(model, EXACT, maker)
        here = local.ask(MESSAGES, 12), local.ask(MESSAGES, 4, "It is the city of")
        assert local.logprobs(tokens) == pytest.approx(scored, abs=1e-4)
        assert "9" in local.ask([{"role": "user", "content": "word " * 9_000}], 12).error
    assert [reply.text for reply in there] == [reply.text for reply in here]
    assert "Paris" in here[0].text
    assert [reply.prompt_tokens for reply in there] == [reply.prompt_tokens for reply in here]
    assert there[0].prompt_tokens == maker.count(MESSAGES)
    assert here[0].mode == "exact"
    assert len(scored) == len(tokens) - 1
    assert failed.error and not failed.text


def test_what_is_sent(maker: PromptMaker) -> None:
    said = {"choices": [{"message": {"content": "Yes."}}], "usage": {"prompt_tokens": 7}}
    with answering(200, json.dumps(said).encode()) as (url, asked):
        with closing(UrlAsker(url, "m", "secret", ContextMode.SKIM, maker)) as asker:
            reply = asker.ask(MESSAGES, 5)
        with closing(UrlAsker(url, "m", "", ContextMode.AUTO, maker)) as asker:
            asker.ask(MESSAGES, 5)
    assert (reply.text, reply.prompt_tokens, reply.mode) == ("Yes.", 7, "")
    body = {"model": "m", "max_tokens": 5, "temperature": 0, "messages": MESSAGES}
    first = {"path": "/v1/chat/completions", "key": "Bearer secret", "spatz": {"context": "skim"}}
    assert asked == [{**body, **first}, {**body, "path": "/v1/chat/completions", "key": None}]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, b'{"error": {"message": "no such model"}}', "404: no such model"),
        (401, b'{"error": "who are you?"}', "401: who are you"),
        (200, b"<html>", "200 with no JSON"),
        (200, b'{"choices": []}', "in no shape of the API"),
        (200, b'{"choices": [{"message": 3}]}', "in no shape of the API"),
        (200, b"[]", "no shape"),
    ],
)
def test_a_server_that_is_none(status: int, body: bytes, words: str, maker: PromptMaker) -> None:
    with answering(status, body) as (url, _), closing(UrlAsker(url, "m", "", EXACT, maker)) as asker:
        with pytest.raises(SpatzError, match=words):
            asker.ask(MESSAGES, 5)
        with pytest.raises(SpatzError):
            asker.logprobs([1, 2, 3])


def test_a_question_that_is_refused(maker: PromptMaker) -> None:
    body = b'{"error": {"message": "too long", "code": "context_length_exceeded"}}'
    with answering(400, body) as (url, _), closing(UrlAsker(url, "m", "", EXACT, maker)) as asker:
        assert asker.ask(MESSAGES, 5).error == "400: too long"


def test_nobody_there(maker: PromptMaker) -> None:
    with (
        closing(UrlAsker("http://127.0.0.1:9/v1", "m", "", EXACT, maker)) as asker,
        pytest.raises(SpatzError, match="does not answer"),
    ):
        asker.ask(MESSAGES, 5)
