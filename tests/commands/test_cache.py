"""`spatz cache` beside the store of another process, and alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from context.blocks import address, holds, known, opened, space_of, write
from spatz.cli import main


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("SPATZ_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SPATZ_DATA_DIR", str(tmp_path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache with blocks of two owners."""
    with opened(tmp_path / "cache") as store:
        write(space_of(store), 3, "ada", owner="key_ada")
        write(space_of(store), 2, "none")
        assert holds(space_of(store), 0, "ada")
    return tmp_path / "cache"


def report(capsys: pytest.CaptureFixture[str], *flags: str) -> dict[str, object]:
    assert main(["cache", "stats", "--json", *flags]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_stats(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = report(capsys, "--cache-mb", "7")
    disk = found.pop("disk_bytes")
    assert isinstance(disk, int) and disk >= 5 * 8192
    assert found == {
        "folder": str(folder),
        "entries": 5,
        "bytes": 25_000,
        "limit_bytes": 7 << 20,
        "hits": 1,
        "misses": 0,
        "evictions": 0,
        "damaged": 0,
        "spaces": [
            {"space": "blocks", "owner": None, "entries": 2, "bytes": 10_000},
            {"space": "blocks", "owner": "key_ada", "entries": 3, "bytes": 15_000},
        ],
    }
    assert main(["cache", "stats", "--entries"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "(no key)" in lines[1] and "key_ada" in lines[2]
    assert "1 hits, 0 misses, 0 evictions, 0 damaged" in lines
    assert {line.split()[-1] for line in lines[-5:]} == {
        address(number, chain).hex() for chain, count in (("ada", 3), ("none", 2)) for number in range(count)
    }


def test_stats_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(capsys)["entries"] == 0
    assert main(["cache", "stats"]) == 0
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().err == "spatz: nothing is kept\n" * 2
    assert list(tmp_path.iterdir()) == []


def test_stats_of_what_is_no_index(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "index.db").write_bytes(b"no database, but long enough to be one" * 100)
    assert main(["cache", "stats"]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_stats_and_clear_beside_a_server(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(folder) as store:
        write(space_of(store), 4, "new", owner="key_bob")
        store.flush()
        assert report(capsys)["entries"] == 9
        assert main(["cache", "clear", "--key", "key_ada"]) == 0
        assert capsys.readouterr().out == "deleted 3 blocks\n"
        assert (known(space_of(store), 3, "ada"), known(space_of(store), 4, "new")) == ([], [0, 1, 2, 3])
        assert main(["cache", "clear", "--entry", address(3, "new").hex()]) == 0
        assert capsys.readouterr().out == "deleted 1 block\n"
        assert report(capsys)["entries"] == 5
        assert main(["cache", "clear"]) == 0
        assert capsys.readouterr().out == "deleted 5 blocks\n"
        assert store.stats().entries == 0 and report(capsys)["entries"] == 0


def test_clear_without_a_server(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "clear", "--owner", "nobody"]) == 0
    assert main(["cache", "clear", "--owner", "key_ada"]) == 0
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "deleted 0 blocks\ndeleted 3 blocks\ndeleted 2 blocks\n"
    assert report(capsys)["entries"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["clear", "--entry", "xyz"], "an address is hexadecimal"),
        (["warm", "missing.txt"], "No such file"),
        (["warm", "empty.txt"], "it is empty"),
        (["warm", "text.txt", "--context", "skim"], "nothing to run ahead"),
        (["warm", "text.txt", "--cache-mb", "0"], "there is no cache to warm"),
        (["warm", "text.txt", "--raw", "--system", "x"], "no place in a --raw prompt"),
        (["warm", "text.txt", "--url", "http://127.0.0.1:1/v1"], "refused"),
        (["warm", "text.txt", "--url", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("\n\n")
    Path("text.txt").write_text("A text.")
    assert main(["cache", *arguments]) in (1, 2)
    assert said in capsys.readouterr().err
