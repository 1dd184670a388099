"""spatz.json: what was known about a model when it was fetched, kept beside its files.

Written by `pull`, read by `load` (name, licence, chat template) and by the list of installed models. A model without
one loads as well. It holds nothing that the weights' meaning depends on.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from spatz.errors import WeightsError
from spatz.weights.jsonfile import read_object

__all__ = ["MANIFEST", "Manifest", "read_manifest", "write_manifest"]

MANIFEST = "spatz.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")


@dataclass(frozen=True, slots=True)
class Manifest:
    name: str | None = None  # in the API
    source: str | None = None  # what `spatz pull` was told
    weights: str | None = None  # the GGUF file's name; None: the folder's safetensors
    sha256: str | None = None  # of that file
    licence: str | None = None
    chat_template: str | None = None  # instead of the file's own


def read_manifest(path: Path) -> Manifest:
    """The manifest beside a GGUF file or in a model folder; an empty one where there is none. Raises WeightsError."""
    file = (path if path.is_dir() else path.parent) / MANIFEST
    if not file.exists():
        return Manifest()
    values = read_object(file)
    for key, value in values.items():
        if key not in Manifest.__slots__ or not (value is None or isinstance(value, str)):
            raise WeightsError(f"{MANIFEST} has the entry {key[:80]!r}, which is unknown or no text")
    manifest = Manifest(**values)
    if manifest.name is not None and not _NAME.fullmatch(manifest.name):
        raise WeightsError(f"{MANIFEST} has the name {manifest.name[:80]!r}, which is no model name")
    if path.is_file() and manifest.weights != path.name:
        return Manifest()  # it speaks of another file in the same folder
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it whole or not at all."""
    part = folder / f"{MANIFEST}.part"
    part.write_text(json.dumps({key: value for key, value in asdict(manifest).items() if value is not None}, indent=2))
    part.replace(folder / MANIFEST)
