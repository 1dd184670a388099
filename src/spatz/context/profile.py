"""Which KV heads of a model see far: a small data file per model, shipped or measured by `spatz calibrate`.

Most heads of a decoder look at what is near and at the first tokens; a few fetch things from far away. Only those keep
what is older than the window in the long-context mode. Models that nobody has measured keep it for every head.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from spatz.errors import ConfigError

__all__ = ["HeadProfile", "Shape", "profile_for", "profile_text", "read_profile"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Shape:
    """What a profile is for: models of one family and size are shaped alike, and so are those made of them."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocab: int


@dataclass(frozen=True, slots=True)
class HeadProfile:
    name: str
    heads: tuple[int, ...]  # layer * kv_heads + head, ascending

    @property
    def key(self) -> str:
        """What is computed under one profile is not mixed with what is computed under another."""
        return ",".join(map(str, self.heads))


def profile_for(shape: Shape, window: tuple[int, ...], own: Path | None = None) -> HeadProfile:
    """The model's profile: its own file where there is one, else a shipped one for its shape, else every head.

    window: [layers] sliding window in tokens, 0: full attention. Heads of layers with one are local as they were
    trained, whatever a profile says. Raises ConfigError for a file that is no profile of this shape.
    """
    found = None
    if own is not None and own.is_file():
        found = read_profile(own.read_text(), shape, str(own))
        if found is None:
            raise ConfigError(f"{own}: the profile is for a model of another shape")
    else:
        for entry in sorted(resources.files("spatz").joinpath("data/profiles").iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith(".json"):
                found = found or read_profile(entry.read_text(), shape, entry.name)
    if found is None:
        found = HeadProfile("every head", tuple(range(shape.layers * shape.kv_heads)))
    kept = tuple(head for head in found.heads if window[head // shape.kv_heads] == 0)
    return HeadProfile(found.name, kept)


def read_profile(text: str, shape: Shape, source: str) -> HeadProfile | None:
    """None where it is for another shape. Raises ConfigError for what is no profile."""
    try:
        data: Any = json.loads(text)
        if data["format"] != FORMAT:
            raise ConfigError(f"{source}: a profile of another version")
        if Shape(**data["shape"]) != shape:
            return None
        heads = sorted({layer * shape.kv_heads + head for layer, head in data["far_heads"]})
        if any(not (0 <= layer < shape.layers and 0 <= head < shape.kv_heads) for layer, head in data["far_heads"]):
            raise ConfigError(f"{source}: it names a head that the model does not have")
        return HeadProfile(str(data["name"]), tuple(heads))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(f"{source}: it is no profile of a model's heads") from None


def profile_text(profile: HeadProfile, shape: Shape, measured: Mapping[str, Any] | None = None) -> str:
    """The file that `read_profile` reads, with what else is known of how it came about."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "name": profile.name,
        "shape": asdict(shape),
        "far_heads": [list(divmod(head, shape.kv_heads)) for head in sorted(profile.heads)],
    }
    return json.dumps({**data, "measured": measured} if measured else data, indent=1, ensure_ascii=False) + "\n"
