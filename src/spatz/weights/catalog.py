"""The catalog: models that are known by name, and where each can be had. Read from data/catalog.toml.

`pull` fetches what stands here. It knows nothing of how a source is fetched, and nothing of what is installed.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

from spatz.errors import WeightsError

__all__ = ["DEFAULT", "Entry", "HubSource", "PypiSource", "catalog", "parse_catalog"]

DEFAULT = "smollm2-135m-instruct"


@dataclass(frozen=True, slots=True)
class PypiSource:
    """A file inside wheels: member i of package i, joined in order."""

    packages: tuple[str, ...]  # "name==version"
    members: tuple[str, ...]
    bytes: int  # of all wheels, about


@dataclass(frozen=True, slots=True)
class HubSource:
    repo: str  # "ORG/REPO"
    file: str


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    description: str
    licence: str
    context: int
    file: str  # as it is kept
    sources: tuple[PypiSource | HubSource, ...]
    size: int | None = None
    sha256: str | None = None
    chat_template: str | None = None  # instead of the file's own


@cache
def catalog() -> dict[str, Entry]:
    """All entries by name, the default first."""
    return parse_catalog(resources.files("spatz").joinpath("data/catalog.toml").read_text("utf-8"))


def parse_catalog(text: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for table in tomllib.loads(text)["model"]:
        sources = tuple(_source(source) for source in table.pop("sources"))
        entry = Entry(**_checked(table, Entry), sources=sources)
        if entry.name in entries:
            raise WeightsError(f"the catalog names {entry.name} twice")
        if entry.sha256 is None and any(isinstance(source, PypiSource) for source in sources):
            raise WeightsError(f"the catalog gives no sha256 for {entry.name}")
        entries[entry.name] = entry
    return entries


def _source(table: dict[str, Any]) -> PypiSource | HubSource:
    kind = table.pop("kind")
    if kind == "hub":
        return HubSource(**_checked(table, HubSource))
    if kind != "pypi":
        raise WeightsError(f"the catalog names the unknown kind of source {kind!r}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    source = PypiSource(**_checked(values, PypiSource))
    if len(source.packages) != len(source.members):
        raise WeightsError("the catalog does not name one member for each package")
    return source


def _checked(table: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    unknown = table.keys() - {field.name for field in fields(kind)}
    if unknown:
        raise WeightsError(f"the catalog has the unknown field {min(unknown)}")
    return table
