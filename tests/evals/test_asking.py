"""Who is asked: this process and a server give the same answers, and what goes wrong is told."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from evals.canned_server import answering
from server.running import RunningServer
from spatz.config import Settings
from spatz.engine.request import ContextMode
from spatz.errors import ConfigError, SpatzError
from spatz.evals.asking import LocalAsker, UrlAsker
from spatz.evals.counting import PromptMaker
from spatz.server.local import local_model

MESSAGES = [{"role": "user", "content": "The capital of France is Paris. So what is the capital of France?"}]
EXACT = ContextMode.EXACT


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
    assert [reply.counted_tokens for reply in (*there, *here)] == [reply.prompt_tokens for reply in (*there, *here)]


def test_what_is_sent(maker: PromptMaker) -> None:
    said = {"choices": [{"message": {"content": "Yes."}}], "usage": {"prompt_tokens": 7}}
    with answering(200, json.dumps(said).encode()) as (url, asked):
        with closing(UrlAsker(url, "m", "secret", ContextMode.SKIM, maker)) as asker:
            reply = asker.ask(MESSAGES, 5)
        with closing(UrlAsker(url, "m", "", ContextMode.AUTO, maker)) as asker:
            asker.ask(MESSAGES, 5)
    assert (reply.text, reply.prompt_tokens, reply.mode) == ("Yes.", 7, "")
    assert reply.counted_tokens == maker.count(MESSAGES) > 7
    body = {"model": "m", "max_tokens": 5, "temperature": 0, "messages": MESSAGES}
    first = {"path": "/v1/chat/completions", "key": "Bearer secret", "spatz": {"context": "skim"}}
    assert asked == [{**body, **first}, {**body, "path": "/v1/chat/completions", "key": None}]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, b'{"error": {"message": "no such model"}}', "404: no such model"),
        (401, b'{"error": "who are you?"}', "401: who are you"),
        (405, b"<h1>Method\n Not Allowed</h1>", "405: <h1>Method Not Allowed</h1>"),
        (200, b"<html>", "200 with no JSON: <html>"),
        (200, b"[" * 100_000, "200 with no JSON"),
        (200, b'{"choices": []}', "in no shape of the API"),
        (200, b'{"choices": [{"message": 3}]}', "in no shape of the API"),
        (200, b'{"choices": [{"message": {"content": [{"type": "text"}]}}]}', "in no shape .* a text that is list"),
        (200, b"[]", "no shape"),
    ],
)
def test_a_server_that_is_none(status: int, body: bytes, words: str, maker: PromptMaker) -> None:
    with answering(status, body) as (url, _), closing(UrlAsker(url, "m", "", EXACT, maker)) as asker:
        with pytest.raises(SpatzError, match=words):
            asker.ask(MESSAGES, 5)
        with pytest.raises(SpatzError):
            asker.logprobs([1, 2, 3])


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error": {"message": "too long", "code": "context_length_exceeded"}}', "400: too long"),
        (200, b'{"error": {"message": "too long"}}', "200: too long"),
        (500, b"Internal Server Error", "500: Internal Server Error"),
        (502, b"<html>\n<h1>502 Bad Gateway</h1>", "502: <html> <h1>502 Bad Gateway</h1>"),
        (503, b"", "503: Service Unavailable"),
    ],
)
def test_a_question_that_is_refused(status: int, body: bytes, error: str, maker: PromptMaker) -> None:
    with answering(status, body) as (url, _), closing(UrlAsker(url, "m", "", EXACT, maker)) as asker:
        reply = asker.ask(MESSAGES, 5)
    assert (reply.error, reply.text, reply.prompt_tokens) == (error, "", 0)
    assert reply.counted_tokens == maker.count(MESSAGES)


def test_a_server_that_moved(maker: PromptMaker) -> None:
    with (
        answering(301, b"", location="https://elsewhere/v1") as (url, _),
        closing(UrlAsker(url, "m", "", EXACT, maker)) as asker,
        pytest.raises(SpatzError, match="301: it is at https://elsewhere/v1"),
    ):
        asker.ask(MESSAGES, 5)


def test_an_answer_that_does_not_come(maker: PromptMaker) -> None:
    with answering(200) as (url, asked), closing(UrlAsker(url, "m", "", EXACT, maker, seconds=0.05)) as asker:
        assert asker.ask(MESSAGES, 5).error == "no answer in 0.05 seconds (--timeout)"
    assert len(asked) == 1


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:port/v1"])
def test_no_address(url: str, maker: PromptMaker) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        UrlAsker(url, "m", "", EXACT, maker)


def test_nobody_there(maker: PromptMaker) -> None:
    with (
        closing(UrlAsker("http://127.0.0.1:9/v1", "m", "", EXACT, maker)) as asker,
        pytest.raises(SpatzError, match="does not answer"),
    ):
        asker.ask(MESSAGES, 5)
