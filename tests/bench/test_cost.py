"""`spatz cost` on the real model, with sizes so small that its prices mean nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spatz.bench import cost
from spatz.bench.cost import CostPlan, measure_speeds
from spatz.cli import main
from spatz.config import Settings
from spatz.errors import SpatzError
from spatz.prompt.build import Prompt
from spatz.server.local import local_model

SMALL = CostPlan(runs=1, prompts=(40,), reread=256, answer_prompt=4, answer=3, at_once=(1, 3))


def test_the_plan_is_cut_to_the_model() -> None:
    plan = CostPlan()
    assert plan.within(8192, 32) == plan
    small = plan.within(1024, 16)
    assert small == replace(plan, prompts=(512,), reread=896, at_once=(1, 16))
    tiny = plan.within(200, 1)
    assert tiny.prompts == (100,)
    assert tiny.reread == 128
    assert tiny.answer_prompt + tiny.answer < 200
    assert tiny.at_once == (1,)


def test_speeds(model_path: Path) -> None:
    told: list[str] = []
    with local_model(Settings(), model_path) as model:
        before = model.stats().tokens_cached
        speeds = measure_speeds(model, SMALL, told.append)
        assert model.stats().tokens_cached - before == 2 * 256  # what was read again was not computed again
    assert [speed.name for speed in speeds] == ["input_40", "cached_input", "output_1", "output_3"]
    assert [speed.kind for speed in speeds] == ["input", "cached_input", "output", "output"]
    assert all(speed.tok_s > 0 for speed in speeds)
    assert len(told) == 4


def test_a_cache_that_finds_nothing_has_no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "run_batch", lambda *_: 1.0)
    prompt = Prompt(np.arange(600, dtype=np.int32))
    model = SimpleNamespace(stats=lambda: SimpleNamespace(tokens_cached=7), encode=lambda text: prompt)
    with pytest.raises(SpatzError, match="only 0 of 257 tokens were found again"):
        measure_speeds(model, SMALL, lambda doing: None)  # type: ignore[arg-type]


@pytest.mark.usefixtures("model_path")
def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(CostPlan, "within", lambda *_: SMALL)
    assert main(["cost", "--hourly", "0.10", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["hourly"], data["currency"], data["answer_tokens"]) == (0.1, "USD", 3)
    assert [row["gpt_4_1_nano_usd"] for row in data["rows"]] == [0.1, 0.025, 0.4, 0.4]
    for row in data["rows"]:
        assert row["per_million_tokens"] == pytest.approx(0.1 / 3600 * 1e6 / row["tok_s"], rel=1e-2)
        assert row["ratio"] == pytest.approx(row["per_million_tokens"] / row["gpt_4_1_nano_usd"], rel=1e-2)
    assert main(["cost", "--hourly", "2", "--currency", "EUR"]) == 0
    table = capsys.readouterr().out
    assert "at 2 EUR an hour" in table
    assert "3 answers at once, all the time" in table
    assert "idle hours cost the same" in table
    assert "0.025" in table


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        *(("--hourly", price) for price in ("0", "-1", "nan", "inf", "cheap")),
        ("--hourly", "1", "--currency", ""),
        ("--hourly", "1", "--runs", "0"),
    ],
)
def test_wrong_usage(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spatz.commands.fetch.fetched", lambda settings: pytest.fail("nothing is fetched for nonsense"))
    assert main(["cost", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("spatz: ")
    assert captured.err.count("\n") == 1
