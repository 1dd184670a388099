"""The command on the real model, with sizes so small that nothing of what it measures means anything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.fake_peer import make_peer
from spatz import _core
from spatz.bench.children import cold_start_s
from spatz.bench.limits import Limits
from spatz.bench.measure import in_turns, measure
from spatz.bench.peer import peers_of
from spatz.bench.plan import Plan
from spatz.bench.report import Report, as_json
from spatz.bench.runner import Ours
from spatz.bench.text import TextTokens, long_text
from spatz.cli import main
from spatz.config import Settings
from spatz.errors import SpatzError
from spatz.weights.load import LoadedModel, load_model

SMALL = Plan(
    runs=1,
    prefill=(40,),
    decode=(0, 30),
    decode_tokens=3,
    batch=(3, 20, 4),
    ttft_prompt=100,
    rss_prompt=200,
    tokenize_megabytes=0.02,
)


@pytest.fixture(scope="module")
def loaded(model_path: Path) -> LoadedModel:
    return load_model(model_path, _core.Context(2))


def test_everything(model_path: Path, data_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other-q4_0.gguf"
    other.touch()
    peers = peers_of(make_peer(tmp_path), model_path, [str(other)])
    told: list[str] = []
    settings = Settings(threads=1, data_dir=data_dir)
    report = measure(settings, model_path, SMALL, peers, told.append)
    data = as_json(report)
    keys = [
        *("prefill_40_tok_s", "prefill_40_share", "peer_prefill_40_tok_s", "ratio_prefill_40", "ratio_q4_0_prefill_40"),
        *("decode_0_tok_s", "decode_0_share", "decode_30_tok_s", "ratio_decode_30", "batch16_tok_s", "ttft_ms"),
        *("batch16_generated_tok_s", "batch16_share", "cold_start_s", "rss_mb", "tokenize_tok_s"),
    ]
    assert {key: value for key, value in data.items() if key in keys and value > 0}.keys() == set(keys)
    assert data["machine"]["threads"] == 1
    assert data["machine"]["read_gb_s"] > 0
    assert data["machine"]["int8_tops"] > 0
    assert data["batch16_tok_s"] == pytest.approx(data["batch16_generated_tok_s"] * 24 / 4, rel=2e-3)
    assert data["rss_mb"] > 90  # its weights alone
    assert report.notes == []
    calls = (tmp_path / "calls").read_text().split()
    assert calls == [str(model_path), str(other)] * 3
    assert "decode_30: 1 of 1, the peer with other-q4_0.gguf" in told


def test_the_command(model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    peer = make_peer(tmp_path)
    flags = ["--only", "decode_0", "--runs", "1", "--peer", str(peer), "--threads", "1", "--json", str(file)]
    assert main(["bench", "--model", str(model_path), *flags]) == 0
    data = json.loads(file.read_text())
    assert data["decode_0_tok_s"] > 0
    assert data["peer_decode_0_tok_s"] == 1064
    assert "prefill_512_tok_s" not in data
    assert "ttft_ms" not in data
    assert "decode_0" in capsys.readouterr().out


def test_ours_and_the_peers_take_turns(tmp_path: Path) -> None:
    class Sparrow:
        def prefill(self, tokens: int) -> float:
            turns.append("ours")
            return 1.0 * tokens

    class Pigeon(Sparrow):
        model = Path("pigeon.gguf")

        def prefill(self, tokens: int) -> float:
            turns.append("theirs")
            return 2.0 * tokens

    turns: list[str] = []
    report = Report(Limits(1.0, 1.0), 1, "portable", "m", "q4", Plan(runs=3))
    in_turns(report, "prefill_7", Sparrow(), {"": Pigeon()}, lambda runner: runner.prefill(7), lambda doing: None)
    assert turns == ["ours", *["ours", "theirs"] * 3]
    assert report.figures["prefill_7_tok_s"].samples == [7.0] * 3
    assert report.peers[""]["prefill_7"].samples == [14.0] * 3


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--only", "speed"], "'speed' is none of"),
        (["--peer-model", "x.gguf"], "--peer-model needs --peer"),
        (["--json", "/no/such/folder/x.json"], "/no/such/folder is no directory"),
        (["--peer", "/no/such/program"], "/no/such/program is no program"),
        (["--runs", "0"], "--runs"),
    ],
)
def test_wrong_usage(flags: list[str], words: str, model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--model", str(model_path), *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_a_model_that_is_too_short(model_path: Path, data_dir: Path) -> None:
    plan = replace(SMALL.only(["prefill"]), prefill=(40, 300))
    report = measure(Settings(context_length=256, data_dir=data_dir), model_path, plan, {}, lambda doing: None)
    assert report.notes == ["prefill_300 is left out: smollm2-135m-instruct knows only 256 tokens"]
    assert list(report.figures) == ["prefill_40_tok_s"]


def test_a_child_that_fails(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(SpatzError, match=r"`spatz run` failed: there is no model"):
        cold_start_s(Settings(data_dir=data_dir), tmp_path / "none.gguf")


def test_the_cache_is_really_filled(loaded: LoadedModel) -> None:
    """What is timed at a depth attends to that many tokens: the pages' bytes are those of a whole prefill."""
    text, again = (TextTokens(loaded.tokenizer) for _ in range(2))
    ours = Ours(loaded, text, 700)
    ours.decode(600, 2)
    whole = Ours(loaded, again, 700)
    whole.prefill(600)
    for page in range(4):  # the fifth holds decoded tokens too
        assert np.array_equal(ours.cache.view(page), whole.cache.view(page))
    before = ours.cache.view(0).copy()
    ours.decode(600, 2)
    assert np.array_equal(before, ours.cache.view(0)), "a depth that is there is not filled again"


def test_text_is_not_repeated(loaded: LoadedModel) -> None:
    text = TextTokens(loaded.tokenizer)
    pieces = [tuple(text.take(1000)) for _ in range(100)]
    assert len(set(pieces)) == 100
    for _ in range(10):
        assert len(text.take(20_000)) == 20_000
    with pytest.raises(ValueError, match="tokens of text"):
        text.take(10_000_000)
    assert len(long_text(1_000_000)) == 1_000_000
    assert long_text(100) == long_text(200)[:100]
