from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.fake_peer import make_peer
from spatz.bench.peer import Peer, parse_sample, peers_of
from spatz.errors import ConfigError, SpatzError

GOOD = {"n_prompt": 512, "n_gen": 0, "n_depth": 0, "n_threads": 2, "avg_ts": 411.5, "build_commit": "0c1", "x": None}


def output(**changes: Any) -> bytes:
    return json.dumps([{**GOOD, **changes}]).encode()


def test_a_sample() -> None:
    assert parse_sample(output(), 2, (512, 0, 0)) == ("0c1 (unknown)", 411.5)
    old = {key: value for key, value in GOOD.items() if key != "n_depth"}  # older ones know no depth
    assert parse_sample(json.dumps([old]).encode(), 2, (512, 0, 0))[1] == 411.5


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"{}", b"null", b"[null]", b"\xff", b"[[]]", b"not JSON"),
        json.dumps([GOOD, GOOD]).encode(),
        output(avg_ts=None),
        output(avg_ts="fast"),
        output(n_threads="two"),
    ],
)
def test_what_is_no_sample(data: bytes) -> None:
    with pytest.raises(SpatzError, match="not that of llama-bench"):
        parse_sample(data, 2, (512, 0, 0))


@pytest.mark.parametrize("changes", [{"n_prompt": 511}, {"n_gen": 1}, {"n_depth": 5}, {"n_threads": 3}])
def test_a_sample_of_something_else(changes: dict[str, int]) -> None:
    with pytest.raises(SpatzError, match="instead of"):
        parse_sample(output(**changes), 2, (512, 0, 0))


@pytest.mark.parametrize("speed", [0, -1, 1e300, float("inf"), float("nan")])
def test_speeds_that_cannot_be(speed: float) -> None:
    with pytest.raises(SpatzError, match="cannot be"):
        parse_sample(output(avg_ts=speed), 2, (512, 0, 0))


def test_it_is_run(tmp_path: Path) -> None:
    peer = Peer(make_peer(tmp_path), tmp_path / "m.gguf")
    peer.threads = 3
    assert peer.prefill(512) == 1512.0
    assert peer.decode(2048, 64) == 3112.0
    assert peer.build == "abc (7)"


def test_its_failure_is_one_line(tmp_path: Path) -> None:
    peer = Peer(make_peer(tmp_path, "print('first', file=sys.stderr); sys.exit('it broke')"), tmp_path / "m.gguf")
    with pytest.raises(SpatzError, match=r"llama-bench failed \(1\): it broke$"):
        peer.prefill(1)
    no_program = tmp_path / "text"
    no_program.write_text("no program")
    no_program.chmod(0o755)
    with pytest.raises(ConfigError, match="cannot be run"):
        Peer(no_program, tmp_path).prefill(1)


def test_labels(tmp_path: Path) -> None:
    binary = make_peer(tmp_path)
    model = tmp_path / "m.gguf"
    names = ("SmolLM2-135M-Instruct.Q4_0.gguf", "x-q4_k_m.gguf", "x-iq3_xs.gguf", "my model.gguf", "bf16.gguf")
    for name in ("m.gguf", *names):
        (tmp_path / name).touch()
    peers = peers_of(binary, model, [str(tmp_path / name) for name in names])
    assert list(peers) == ["", "q4_0", "q4_k_m", "iq3_xs", "my_model", "bf16"]
    assert peers[""].model == model
    assert list(peers_of(binary, model, [f"Its Best={tmp_path / names[0]}"])) == ["", "its_best"]
    with pytest.raises(ConfigError, match="two files are called q4_0"):
        peers_of(binary, model, [f"q4_0={model}", str(tmp_path / names[0])])


def test_what_is_no_peer(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").touch()
    binary = make_peer(tmp_path)
    for path in (tmp_path, tmp_path / "none", tmp_path / "m.gguf"):
        with pytest.raises(ConfigError, match="is no program"):
            peers_of(path, tmp_path / "m.gguf", [])
    with pytest.raises(ConfigError, match="no GGUF file"):
        peers_of(binary, tmp_path, [])
    with pytest.raises(ConfigError, match="there is no such file"):
        peers_of(binary, tmp_path / "m.gguf", ["/none.gguf"])
