"""The real texts that pages are made of: documentation of the packages on this machine.

Modules of the standard library (their docstrings, under headings that name what they describe), Python's documentation
topics, the READMEs that installed packages carry, and manual pages where the system has them. Which there are depends
on the machine; the order on one machine is fixed.
"""

from __future__ import annotations

import ast
import gzip
import inspect
import os
import pydoc_data.topics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from spatz.evals.sources import manual_text

__all__ = ["RealText", "real_texts"]

_SKIPPED = {"test", "tests", "idle_test", "idlelib", "site-packages", "dist-packages", "lib2to3", "__pycache__"}
_LARGEST = 1 << 20  # bytes of a source
_MANUALS = Path("/usr/share/man")
_MOST_MANUALS = 80  # a system with a cloud's tools has 18,000, which say the same


@dataclass(frozen=True, slots=True)
class RealText:
    name: str  # "ftplib", "httpx"
    section: str  # "library", "topics", "packages", "manuals"
    read: Callable[[], str]


def real_texts() -> list[RealText]:
    return [*_modules(), *_topics(), *_packages(), *_manuals()]


def _modules() -> Iterator[RealText]:
    root = Path(inspect.__file__).parent
    found = []
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if name not in _SKIPPED]
        found += [Path(folder, name) for name in files if name.endswith(".py")]
    for path in sorted(found):
        name = ".".join(part for part in path.relative_to(root).with_suffix("").parts if part != "__init__")
        if name:
            yield RealText(name, "library", lambda path=path: _documented(path))  # type: ignore[misc]


def _documented(path: Path) -> str:
    """The docstrings of a module, each under its name."""
    try:
        tree = ast.parse(path.read_bytes()[:_LARGEST])
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ""
    said = [ast.get_docstring(tree) or ""]
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            methods = node.body if isinstance(node, ast.ClassDef) else []
            if ast.get_docstring(node):
                said += [f"## {node.name}", ast.get_docstring(node) or ""]
            for inner in methods:
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_") and ast.get_docstring(inner):
                    said += [f"### {node.name}.{inner.name}()", ast.get_docstring(inner) or ""]
    return "\n\n".join(filter(None, said))


def _topics() -> Iterator[RealText]:
    for name, text in sorted(pydoc_data.topics.topics.items()):
        yield RealText(name, "topics", lambda text=text: text)  # type: ignore[misc]


def _packages() -> Iterator[RealText]:
    known = {str(found.metadata["Name"]): found for found in distributions() if found.metadata["Name"]}
    for name in sorted(known, key=str.casefold):
        yield RealText(name, "packages", lambda found=known[name]: _readme(found))  # type: ignore[misc]


def _readme(found: Distribution) -> str:
    """It stands behind the headers of the metadata, or in one of them; as a part of the whole, both are one."""
    said = found.metadata.json.get("description", "")
    return said if isinstance(said, str) else ""


def _manuals() -> Iterator[RealText]:
    found = sorted(path for section in ("man1", "man5", "man7", "man8") for path in _listed(_MANUALS / section))
    step = max(1, -(-len(found) // _MOST_MANUALS))
    for path in found[::step]:
        yield RealText(path.name.removesuffix(".gz"), "manuals", lambda path=path: _manual(path))  # type: ignore[misc]


def _listed(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from folder.glob("*.gz")


def _manual(path: Path) -> str:
    try:
        with gzip.open(path) as file:
            return manual_text(file.read(_LARGEST).decode("utf-8"))
    except (OSError, EOFError, UnicodeDecodeError):
        return ""
