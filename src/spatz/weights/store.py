"""The installed models: one folder each under DATA/models, with a manifest that is written last.

`pull` fills it, `resolve` and `installed` read it. A folder appears under its name only when it is complete: everything
that is on its way lies in DATA/models/.partial. It fetches nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spatz.errors import WeightsError
from spatz.weights.manifest import MANIFEST, Manifest, read_manifest, write_manifest

__all__ = ["Installed", "find", "installed", "lock", "models_dir", "publish", "stage"]

_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that is here."""

    name: str
    path: Path  # the GGUF file, or the folder with safetensors
    size: int  # bytes of all its files
    source: str | None
    licence: str | None
    sha256: str | None
    problem: str | None = None  # why it cannot be used


def models_dir(data_dir: Path) -> Path:
    return data_dir / "models"


def installed(data_dir: Path) -> list[Installed]:
    """All models under the data directory, by name. A damaged one is listed with its problem."""
    folder = models_dir(data_dir)
    if not folder.is_dir():
        return []
    return [_describe(entry) for entry in sorted(folder.iterdir()) if _is_model(entry)]


def find(data_dir: Path, spec: str) -> Installed | None:
    """The installed model that is called so, or that was pulled under this spec. Damaged ones are not found."""
    for model in installed(data_dir):
        if model.problem is None and spec in (model.name, model.source):
            return model
    return None


def stage(data_dir: Path, name: str) -> Path:
    """A folder to put the files of a model into before it is published. What an earlier try left is still there."""
    folder = models_dir(data_dir) / _PARTIAL / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def publish(data_dir: Path, name: str, manifest: Manifest) -> Path:
    """Move a staged model to its place, in one step. Gives the path to load. An older one of that name is replaced."""
    staged = stage(data_dir, name)
    write_manifest(staged, manifest)
    target = models_dir(data_dir) / name
    if target.exists():
        old = stage(data_dir, f"{name}.old")
        shutil.rmtree(old)
        target.replace(old)
        staged.replace(target)
        shutil.rmtree(old)
    else:
        staged.replace(target)
    return target / manifest.weights if manifest.weights else target


@contextlib.contextmanager
def lock(data_dir: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """One pull at a time, over all processes. waiting: called when another one is at it. Raises WeightsError."""
    folder = models_dir(data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written: {error.strerror or error}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_model(entry: Path) -> bool:
    if entry.name.startswith("."):
        return False
    return (entry / MANIFEST).exists() if entry.is_dir() else entry.suffix == ".gguf"


def _describe(entry: Path) -> Installed:
    if entry.is_file():  # put there by hand
        return Installed(entry.name, entry, entry.stat().st_size, None, None, None)
    size = sum(file.stat().st_size for file in entry.rglob("*") if file.is_file())
    try:
        manifest = read_manifest(entry)
        path = entry / manifest.weights if manifest.weights else entry
        if not path.exists():
            raise WeightsError(f"{path.name} is missing")
    except WeightsError as error:
        return Installed(entry.name, entry, size, None, None, None, str(error))
    name = manifest.name or entry.name
    return Installed(name, path, size, manifest.source, manifest.licence, manifest.sha256)
