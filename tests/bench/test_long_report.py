from __future__ import annotations

import json
from pathlib import Path

import pytest

from spatz.bench.long_report import TARGETS, LongReport, Target
from spatz.errors import ConfigError


def test_a_target_of_a_million_tokens_is_less_for_fewer() -> None:
    whole = Target("<=", 480.0, per_million=True)
    assert whole.bound(250_000) == 120.0
    assert whole.met(120.0, 250_000)
    assert not whole.met(120.1, 250_000)
    assert whole.bound(1_047_576) == 480.0
    assert TARGETS["second_first_token_s"].bound(10_000) == 0.5


@pytest.mark.parametrize(
    ("target", "good", "bad"),
    [
        (Target("<=", 0.5), 0.5, 0.51),
        (Target("<", 300.0), 299.9, 300.0),
        (Target(">=", 100.0), 100.0, 99.9),
        (Target("is", True), True, False),
    ],
)
def test_targets(target: Target, good: float, bad: float) -> None:
    assert target.met(good, 1)
    assert not target.met(bad, 1)


def test_what_is_missed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = LongReport("small", 500_000, repeated=1_234, skims=3)
    report.figures |= {
        "routed_first_token_s": 241.23456,
        "second_first_token_s": 0.25,
        "second_cached_tokens": 499_840,
        "again_same_answer": False,
        "skim_right": 2,
    }
    assert report.missed == ["routed_first_token_s", "again_same_answer"]
    report.write_json(tmp_path / "x.json")
    data = json.loads((tmp_path / "x.json").read_text())
    assert data["routed_first_token_s"] == 241.2
    assert data["second_cached_tokens"] == 499_840
    assert data["again_same_answer"] is False
    assert data["targets"]["routed_first_token_s"] == 240.0
    assert data["missed"] == report.missed
    assert data["repeated_tokens"] == 1_234
    assert "decode_tok_s" not in data, "what was not measured has no figure"

    report.print_table()
    lines = capsys.readouterr().out.splitlines()

    def row(label: str) -> str:
        return next(line for line in lines if line.startswith(label))

    assert row("routed: first token").split()[-4:] == ["<=", "240", "s", "missed"]
    assert "missed" not in row("second question: first token")
    assert row("the same after kill -9: same answer").split()[-4:] == ["no", "is", "yes", "missed"]
    assert "499,840" in row("second question: tokens found again")
    assert "2 of 3" in row("skim: facts found")
    assert row("1,234 tokens of the text had come in it before")


def test_json_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--json"):
        LongReport("small", 9_000).write_json(tmp_path)
