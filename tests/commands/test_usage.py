"""`spatz usage`: the table, the JSON, and the days that are in them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from spatz.cli import main
from spatz.store.db import Database
from spatz.store.keys import add_key
from spatz.store.usage import DAY_SECONDS, Counts, UsageKey, add_usage


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("SPATZ_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SPATZ_DATA_DIR", str(tmp_path))
    # Noon, so that the day cannot end between what is written and what is read.
    monkeypatch.setattr(time, "time", lambda: 20_000 * DAY_SECONDS + DAY_SECONDS / 2)


@pytest.fixture
def ada(tmp_path: Path) -> str:
    """The id of a key that was used today; others were on the days before."""
    database = Database.open("", tmp_path)
    with database.transaction() as connection:
        _, key = add_key(connection, "ada [x]")
        rows = {
            UsageKey(key.id, 20_000, "m", False): Counts(1, 1000, 200, 30),
            UsageKey(key.id, 20_000, "m", True): Counts(2, 20, 0, 4),
            UsageKey("key_gone", 19_999, "m", False): Counts(3, 300, 0, 5),
            UsageKey("", 19_990, "m", False): Counts(4, 4000, 0, 6),
        }
        add_usage(connection, rows)
    database.close()
    return key.id


def test_json(ada: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["date"], row["api_key_id"], row["name"], row["batch"], row["requests"]) for row in rows] == [
        ("2024-09-24", None, None, False, 4),
        ("2024-10-03", "key_gone", None, False, 3),
        ("2024-10-04", ada, "ada [x]", False, 1),
        ("2024-10-04", ada, "ada [x]", True, 2),
    ]
    last = {"input_tokens": 20, "cached_tokens": 0, "output_tokens": 4, "model": "m"}
    assert {name: rows[3][name] for name in last} == last


@pytest.mark.parametrize(("days", "rows"), [("1", 2), ("2", 3), ("10", 3), ("11", 4), ("400", 4)])
@pytest.mark.usefixtures("ada")
def test_days(days: str, rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--days", days, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == rows


@pytest.mark.usefixtures("ada")
def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["date", "key", "model", "requests", "input", "cached", "output"]
    assert lines[1] == ["2024-09-24", "(no", "key)", "m", "4", "4,000", "0", "6"]
    assert lines[2] == ["2024-10-03", "key_gone", "m", "3", "300", "0", "5"]
    assert lines[4] == ["2024-10-04", "ada", "[x]", "m", "batch", "2", "20", "0", "4"]
    assert lines[5] == ["sum", "10", "5,320", "200", "45"]


def test_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--days", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "spatz: nothing was used in these 2 days\n"
    assert main(["usage", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize("days", ["0", "-1", "401", "many"])
def test_wrong_usage(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--days", days]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--days" in captured.err
