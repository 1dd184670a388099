"""Profiles: which file is taken, what is in it, and what is no profile."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from spatz.context.profile import HeadProfile, Shape, profile_for, profile_text, read_profile
from spatz.errors import ConfigError

SHIPPED = Shape(layers=30, heads=9, kv_heads=3, head_dim=64, hidden=576, vocab=49152)
OTHER = Shape(layers=4, heads=4, kv_heads=2, head_dim=16, hidden=64, vocab=288)
FULL = (0,) * 30


def test_what_is_written_is_read() -> None:
    text = profile_text(HeadProfile("Other", (7, 0, 3)), OTHER, {"date": "2026-01-01"})
    found = read_profile(text, OTHER, "test")
    assert found == HeadProfile("Other", (0, 3, 7)) and found.key == "0,3,7"
    data = json.loads(text)
    assert data["far_heads"] == [[0, 0], [1, 1], [3, 1]] and data["measured"] == {"date": "2026-01-01"}
    assert "measured" not in json.loads(profile_text(HeadProfile("Other", (1,)), OTHER))
    assert read_profile(text, SHIPPED, "test") is None


def test_the_shipped_profile_is_of_a_few_heads_and_not_of_the_last_layers() -> None:
    found = profile_for(SHIPPED, FULL)
    assert found.name == "SmolLM2-135M" and 8 <= len(found.heads) <= 30
    assert max(found.heads) // 3 < 28 and found.heads == tuple(sorted(found.heads))


def test_an_own_profile_comes_before_the_shipped_one(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    assert profile_for(SHIPPED, FULL, own) == profile_for(SHIPPED, FULL)
    own.write_text(profile_text(HeadProfile("mine", (4, 89)), SHIPPED))
    assert profile_for(SHIPPED, FULL, own) == HeadProfile("mine", (4, 89))
    own.write_text(profile_text(HeadProfile("mine", (4,)), OTHER))
    with pytest.raises(ConfigError, match="another shape"):
        profile_for(SHIPPED, FULL, own)


def test_every_head_of_full_layers_sees_far_in_a_model_that_nobody_measured(tmp_path: Path) -> None:
    assert profile_for(OTHER, (0, 0, 0, 0)).heads == tuple(range(8))
    assert profile_for(OTHER, (512, 512, 0, 512)).heads == (4, 5)
    own = tmp_path / "own.json"
    own.write_text(profile_text(HeadProfile("mine", (0, 4)), OTHER))
    assert profile_for(OTHER, (512, 0, 0, 0), own).heads == (4,)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"far_heads": [[4, 0]]},
        {"far_heads": [[0, 2]]},
        {"far_heads": [[-1, 0]]},
        {"far_heads": [[0]]},
        {"far_heads": 3},
        {"far_heads": None},
        {"shape": {"layers": 4}},
        {"shape": [1]},
    ],
)
def test_what_is_no_profile_is_refused(change: dict[str, Any]) -> None:
    data = {"format": 1, "name": "Other", "shape": asdict(OTHER), "far_heads": [[0, 1]]}
    assert read_profile(json.dumps(data), OTHER, "own.json") == HeadProfile("Other", (1,))
    with pytest.raises(ConfigError, match=r"own\.json"):
        read_profile(json.dumps({**data, **change}), OTHER, "own.json")
    for text in ("", "[]", "null", "{", json.dumps({key: data[key] for key in ("format", "name")})):
        with pytest.raises(ConfigError, match=r"own\.json"):
            read_profile(text, OTHER, "own.json")


def test_a_profile_is_for_one_shape_exactly() -> None:
    text = profile_text(HeadProfile("Other", (1,)), OTHER)
    for name in asdict(OTHER):
        assert read_profile(text, replace(OTHER, **{name: 999}), "test") is None
