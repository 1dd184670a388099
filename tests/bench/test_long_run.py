"""A long prompt on the real model, as short as a long one can be: everything is measured, and what is said is right."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from spatz.bench.children import serving
from spatz.bench.long_report import TARGETS
from spatz.bench.long_run import measure_long
from spatz.cli import main
from spatz.config import Settings
from spatz.context.word_forms import word_forms
from spatz.errors import ConfigError, SpatzError
from spatz.server.local import local_model

TOKENS = 10_000


def test_everything(model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    folder = tmp_path / "data"
    flags = ["--context", str(TOKENS), "--runs", "1", "--model", str(model_path), "--data-dir", str(folder)]
    assert main(["bench", *flags, "--json", str(file)]) == 0
    assert list(folder.iterdir()) == [], "the scratch folder goes"
    data = json.loads(file.read_text())
    assert data["model"] == "smollm2-135m-instruct"
    assert data["context"] == TOKENS
    assert data["targets"].keys() == TARGETS.keys()
    assert data["targets"]["routed_first_token_s"] == pytest.approx(4.8)
    missing = TARGETS.keys() - data.keys()
    assert missing <= {"short_first_token_p95_ms"}, "a fast machine is done before the first short answer"
    positive = {key for key, value in data.items() if isinstance(value, float | int) and value > 0}
    assert positive >= {
        *("body_mb", "routed_first_token_s", "routed_tok_s", "short_alone_p50_ms", "memory_anonymous_mb", "cache_mb"),
        *("second_first_token_s", "second_before_engine_s", "decode_tok_s", "restart_s", "again_first_token_s"),
        *("again_before_engine_s", "cancel_idle_s", "skim_first_token_s", "skim_best_first_token_s"),
    }
    assert data["second_before_engine_s"] < data["second_first_token_s"]
    assert data["memory_anonymous_mb"] > 90, "the packed weights alone"
    # The page that the question begins in, the question and room for its answer are not found again.
    for key in ("second_cached_tokens", "again_cached_tokens"):
        assert TOKENS - 2_048 <= data[key] < TOKENS
        assert data[key] % 128 == 0
    assert data["again_same_answer"] is True
    out = capsys.readouterr().out
    assert "a prompt and answer of 10,000 tokens" in out
    assert "the same after kill -9: same answer" in out
    assert "skim: facts found" in out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--context", "8k"], "8,192 tokens fit the 8,192 that the model reads exactly"),
        (["--context", "1.1m"], "1,100,000 tokens are more than the context_limit of 1,047,576"),
        (["--context", "much"], "'much' is no number of tokens"),
        (["--context", "12k", "--only", "ttft"], "--context goes neither with --only nor with --peer"),
        (["--context", "12k", "--json", "/no/such/folder/x.json"], "/no/such/folder is no directory"),
    ],
)
def test_wrong_usage(flags: list[str], words: str, model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--model", str(model_path), *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err


def test_a_disk_without_room(model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        free = 5_000_000

    monkeypatch.setattr("shutil.disk_usage", lambda path: Full())
    with pytest.raises(SpatzError, match=r"may need 578 MB, and .* has only 5 MB free"):
        measure_long(Settings(data_dir=tmp_path), model_path, TOKENS, 1, lambda doing: None)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpatzError, match=r"none\.gguf: No such file"):
        measure_long(Settings(data_dir=tmp_path), tmp_path / "none.gguf", TOKENS, 1, lambda doing: None)


def test_a_length_of_its_own_counts_as_native(model_path: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, context_length=4096)
    with pytest.raises(ConfigError, match="4,096 tokens fit the 4,096"):
        measure_long(settings, model_path, 4096, 1, lambda doing: None)


def test_a_server_keeps_its_folder_and_the_persons_profiles(model_path: Path, tmp_path: Path) -> None:
    own, kept = tmp_path / "own", tmp_path / "kept"
    (own / "profiles").mkdir(parents=True)
    kept.mkdir()
    settings = Settings(data_dir=own, cache_mb=64)
    with serving(settings, model_path, kept) as server:
        assert server.start_s > 0
        server.kill()
    with serving(replace(settings, cache_mb=0), model_path, kept) as server:
        command = Path(f"/proc/{server.pid}/cmdline").read_bytes().split(b"\0")
        assert str(kept).encode() in command
    assert (kept / "profiles").resolve() == own / "profiles"
    assert (kept / "cache").is_dir()
    assert list(own.iterdir()) == [own / "profiles"]


def test_a_server_is_warm_when_it_answers(model_path: Path, tmp_path: Path) -> None:
    """What is derived of the vocabulary is there before the first long prompt comes."""
    with local_model(Settings(data_dir=tmp_path, cache_mb=0), model_path) as model:
        model.warm_up()
        before = word_forms.cache_info()
        backend = model.engine.backend
        word_forms(backend.token_bytes, backend.vocab)
        after = word_forms.cache_info()
    assert (after.hits, after.misses) == (before.hits + 1, before.misses)


def test_who_is_told_to_end_leaves_nothing(model_path: Path, tmp_path: Path) -> None:
    """The server is found by the folder in its command line."""
    folder = tmp_path / "data"
    flags = ["--context", "20k", "--runs", "1", "--model", str(model_path), "--data-dir", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "spatz.cli", "bench", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with process:
        try:
            while not _servers(folder):
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 128 + signal.SIGTERM
        finally:
            process.kill()
    assert not _servers(folder)
    assert list(folder.iterdir()) == []


def _servers(folder: Path) -> list[Path]:
    """Processes that have a folder below this one as their data directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"{folder}/bench-".encode() in path.read_bytes():
                found.append(path)
        except OSError:
            continue  # it has ended
    return found
