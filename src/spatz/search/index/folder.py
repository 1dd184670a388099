"""The files of a folder that are indexed, and the URLs that they are cited by."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from spatz.search.index.source import Source

__all__ = ["url_of", "walk"]

SKIPPED = frozenset({"__pycache__", "node_modules"})
MOST_DEPTH = 64


def walk(source: Source) -> Iterator[Path | OSError]:
    """In order, without what is hidden and without following links; a folder that cannot be read as its error."""
    root = Path(source.address)
    if source.kind == "file":
        yield root
    else:
        yield from _walk(root, root, source, 0)


def _walk(folder: Path, root: Path, source: Source, depth: int) -> Iterator[Path | OSError]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        yield error
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        path = Path(entry.path)
        within = path.relative_to(root).as_posix()
        if any(_fits(within, pattern) for pattern in source.exclude):
            continue
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in SKIPPED and depth < MOST_DEPTH:
                yield from _walk(path, root, source, depth + 1)
        elif entry.is_file(follow_symlinks=False) and (
            not source.include or any(_fits(within, pattern) for pattern in source.include)
        ):
            yield path


def _fits(path: str, pattern: str) -> bool:
    """A pattern without a slash is one of names, at any depth."""
    return fnmatch.fnmatchcase(path if "/" in pattern else path.rpartition("/")[2], pattern)


def url_of(path: Path, source: Source) -> str:
    if not source.base_url:
        return path.as_uri()
    root = Path(source.address)
    within = path.name if source.kind == "file" else path.relative_to(root).as_posix()
    # Names may be no UTF-8, and are escaped as the bytes that they are.
    return source.base_url.rstrip("/") + "/" + quote(os.fsencode(within), safe="/~!$&'()*+,;=:@-._")
