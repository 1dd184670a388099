"""The command on the real model, as small as it can be; and what it says to wrong usage."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from evals.canned_server import answering
from spatz.cli import main
from spatz.errors import ConfigError
from spatz.evals import haystack
from spatz.evals.plan import PERPLEXITY, TASKS, lengths_of, tasks_of
from spatz.evals.sources import documents


@pytest.fixture
def flags(model_path: Path, tmp_path: Path) -> list[str]:
    return ["eval", "--model", str(model_path), "--data-dir", str(tmp_path), "--context", "exact"]


def test_from_end_to_end(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, picture = tmp_path / "found.json", tmp_path / "found.png"
    more = ["--plot", str(picture)] if importlib.util.find_spec("matplotlib") else []
    asked = ["--lengths", "1k,16k", "--tasks", "number,tracking", "--needles", "2", "--depths", "2"]
    assert main([*flags, *asked, "--json", str(file), *more]) == 0
    out = capsys.readouterr().out
    data = json.loads(file.read_text())
    cells: dict[tuple[str, int], Any] = {(cell["task"], cell["length"]): cell for cell in data["tasks"]}
    assert set(cells) == {(task, length) for task in ("number", "tracking") for length in (1024, 16384)}
    for length in (1024,):
        cell = cells["number", length]
        assert cell["modes"] == {"exact": 2} and cell["errors"] == 0
        assert [item["prompt_tokens"] for item in cell["items"]] == [length - 64] * 2
        assert cell["score"] == sum(item["score"] for item in cell["items"]) / 2
        for item in cell["items"]:
            assert item["score"] == (item["expected"][0] in item["answer"])
        assert len(cell["by_depth"]) == 2 and None not in cell["by_depth"]
    assert cells["number", 1024]["score"] == 1  # which even this model can do
    assert cells["tracking", 1024]["by_depth"] == [None, None]
    # What does not fit is no answer, and not asked for again and again.
    failed = cells["number", 16384]
    assert (
        failed["score"] is None and failed["errors"] == len(failed["items"]) and "8192" in failed["items"][0]["error"]
    )
    assert (data["context"], data["form"], data["needles_in_a_text"], data["answer_prefix"]) == (
        "exact",
        "one",
        1,
        False,
    )
    for words in (
        "number",
        "1,024",
        "16,384",
        "error",
        "2 of 2 questions failed",
        "needles_in_a_text",
    ):
        assert words in out
    if more:
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_perplexity(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found.json"
    assert main([*flags, "--lengths", "1k,16k", "--tasks", "perplexity", "--json", str(file)]) == 0
    assert "perplexity from" in capsys.readouterr().out
    data = json.loads(file.read_text())
    curves = {(curve["kind"], curve["length"]): curve for curve in data["perplexity"]}
    assert set(curves) == {(kind, length) for kind in ("prose", "code") for length in (1024, 16384)}
    for (_, length), curve in curves.items():
        if length == 16384:
            assert curve["nll"] is None and "8192" in curve["error"] and not curve["bins"]
        else:
            assert 0.5 < curve["nll"] < 6 and curve["bins"][-1]["end"] == length


def test_text_is_counted(flags: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    known = documents()
    few = [[item for item in known if item.kind == kind][:60] for kind in ("prose", "code")]
    monkeypatch.setattr(haystack, "documents", lambda: few[0] + few[1])  # all of it takes many seconds
    assert main([*flags, "--lengths", "1k", "--needles", "1", "--count-text", "--answer-prefix"]) == 0
    captured = capsys.readouterr().out
    assert "tokens of prose" in captured and "tokens of code" in captured
    assert "answer_prefix True" in captured


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--tasks", "number,juggling"], "'juggling' is none of"),
        (["--lengths", "8k,many"], "'many' is no number of tokens"),
        (["--lengths", "-5"], "'-5' is no number"),
        (["--lengths", "100"], "100 tokens; it must be"),
        (["--lengths", "2000k"], "it must be 1,024 to 1,047,576"),
        (["--lengths", ""], "'' is no number"),
        (["--form", "song"], "--form: 'song' is none of one, parts, messages"),
        (["--text", "song"], "--text: 'song' is none of"),
        (["--context", "song"], "song"),
        (["--needles", "0"], "--needles"),
        (["--depths", "0"], "--depths"),
        (["--json", "/no/such/folder/x.json"], "/no/such/folder is no directory"),
        (["--remote-model", "x"], "need --url"),
        (["--key-env", "X"], "need --url"),
        (["--timeout", "5"], "need --url"),
        (["--timeout", "0"], "--timeout"),
        (["--url", "localhost:8000"], "is no address"),
        (
            ["--url", "http://127.0.0.1:9/v1", "--key-env", "NO_SUCH_VARIABLE"],
            "no environment variable NO_SUCH_VARIABLE",
        ),
        (["--url", "http://[::1/v1"], "is no address"),
    ],
)
def test_wrong_usage(more: list[str], words: str, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*flags, *more]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_plots_need_a_library(
    flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main([*flags, "--plot", str(tmp_path / "x.png")]) == 2
    assert "pip install 'spatz[eval]'" in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert main([*flags, "--plot", str(tmp_path / "x.jpeg")]) == 2
    assert main([*flags, "--plot", "/no/such/folder/x.png"]) == 2


def test_nobody_answers(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*flags, "--lengths", "1k", "--url", "http://127.0.0.1:9/v1"]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_a_key_that_is_none(
    flags: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "one-secret\nanother")
    assert main([*flags, "--lengths", "1k", "--url", "http://127.0.0.1:9/v1", "--key-env", "SOME_KEY"]) == 2
    said = capsys.readouterr().err
    assert "what SOME_KEY holds is no key" in said and "secret" not in said


def test_a_server_that_breaks_down(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it had answered by then is shown and written, and that it was less than was wanted."""
    file = tmp_path / "found.json"
    said = json.dumps({"choices": [{"message": {"content": "None."}}], "usage": {"prompt_tokens": 512}})
    asked = ["--lengths", "1k,2k", "--needles", "3", "--json", str(file), "--timeout", "60"]
    with answering(200, said.encode(), b"Bye.") as (url, requests):
        assert main([*flags, *asked, "--url", url]) == 1
    captured = capsys.readouterr()
    assert len(requests) == 2
    assert "answered 200 with no JSON: Bye." in captured.err
    assert captured.err.startswith("spatz: number at 1,024 tokens\n")  # for who looks into a log
    assert "0.0% (1)" in captured.out
    assert "number at 1,024: broken off after 1 of 3 questions" in captured.out
    assert "the server counts 512 tokens in a prompt of 960" in captured.out
    (cell,) = json.loads(file.read_text())["tasks"]
    assert (cell["questions"], cell["problem"]) == (1, "broken off after 1 of 3 questions")
    assert (cell["items"][0]["prompt_tokens"], cell["items"][0]["counted_tokens"]) == (512, 960)


def test_names_of_lengths_and_tasks() -> None:
    assert lengths_of("4096, 8k,1.5K,1040000,8192") == (4096, 8192, 1536, 1040000)
    assert tasks_of("needle,word,mrcr") == ("number", "word", "sentence", "mrcr")
    assert tasks_of("all") == (*TASKS, PERPLEXITY)
    with pytest.raises(ConfigError):
        tasks_of("")
