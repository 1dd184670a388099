"""`spatz eval search` on the real crawler, index, server and model, as small as it can be; and wrong usage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spatz.cli import main

pytest.importorskip("trafilatura")


def test_answers_from_end_to_end(model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found.json"
    keep = tmp_path / "kept"
    keep.mkdir()
    asked = ["--questions", "6", "--nowhere", "1", "--pages", "30", "--keep", str(keep), "--json", str(file)]
    assert main(["eval", "search", "--model", str(model_path), *asked]) == 0
    data = json.loads(file.read_text())
    assert data["index"]["added"] == 30 and data["index"]["private_pages"] == 0
    assert (keep / "index").is_dir()
    answers = [answer for answer in data["answers"] if answer["page"]]
    assert len(answers) == 6 and len(data["answers"]) == 7
    assert data["failures"] == []
    assert data["all"]["hit_5"] == data["all"]["read"] == 1
    assert data["all"]["said"] >= 0.5
    assert data["all"]["cites"] and data["all"]["offsets"] == 1 and data["all"]["precision"] >= 0.7
    assert data["nowhere"]["all"] == 1
    for answer in answers:
        assert answer["first_token_s"] > 0 and answer["prompt_tokens"] > 0 and 3 <= len(answer["search"]["pages"]) <= 5
    out = capsys.readouterr().out
    for words in ("indexed 30 pages", "hit@5", "1 questions without an answer", "first token median"):
        assert words in out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--tasks", "song"], "--tasks: 'song' is none of answers, decide"),
        (["--provider", "ddgs"], "--provider: 'ddgs' is none of local, engine"),
        (["--size", "huge"], "--size: 'huge' is none of low"),
        (["--questions", "0"], "--questions"),
        (["--json", "/no/such/folder/x.json"], "/no/such/folder is no directory"),
        (["--keep", "/no/such/folder"], "--keep: /no/such/folder is no directory"),
        (["--key-env", "X"], "need --url"),
        (["--url", "localhost"], "is no address"),
        (["--url", "http://127.0.0.1:9/v1", "--tasks", "speed"], "speed is measured in this process"),
        (["--url", "http://127.0.0.1:9/v1", "--keep", "."], "--keep is for an index that is made here"),
        (["--provider", "engine", "--keep", "."], "--keep is for an index that is made here"),
    ],
)
def test_wrong_usage(more: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "search", *more]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err and captured.err.count("\n") == 1


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--questions", "1", "--pages", "10", "--url", "http://127.0.0.1:9/v1"]
    assert main(["eval", "search", *asked]) == 1
    assert "does not answer" in capsys.readouterr().err
