"""Real text that is on any machine with Python and our packages, as documents of paragraphs, for the haystacks.

Prose: Python's documentation topics, licences, docstrings, and manual pages where the system has them. Code: sources of
the standard library. Documents are listed at once and read one by one, when a haystack needs them. Which there are
depends on the machine (most of all on its manual pages), so a report names their number and what was used of them.
"""

from __future__ import annotations

import ast
import gzip
import inspect
import pydoc_data.topics
import re
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Document", "Kind", "documents", "manual_text", "paragraphs"]

Kind = Literal["prose", "code"]

_MANUALS = Path("/usr/share/man")
_MANUAL_SECTIONS = ("man1", "man5", "man7", "man8")
_MOST_MANUALS = 600  # a system with a cloud's tools has 18,000, which say the same
_LARGEST = 2 << 20  # bytes of a file
_TESTS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "__pycache__"}


@dataclass(frozen=True, slots=True)
class Document:
    name: str
    kind: Kind
    read: Callable[[], str]  # "" where the file cannot be read as text


def documents() -> list[Document]:
    """All that there are, always in the same order on one machine."""
    return [*_topics(), *_licences(), *_manuals(), *_sources()]


def paragraphs(text: str) -> list[str]:
    """What empty lines separate."""
    parts = (part.rstrip() for part in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")))
    return [part for part in parts if part]


def _topics() -> Iterator[Document]:
    for name, text in sorted(pydoc_data.topics.topics.items()):
        yield Document(f"python topic {name}", "prose", lambda text=text: text)  # type: ignore[misc]


def _licences() -> Iterator[Document]:
    packages = Path(sysconfig.get_paths()["purelib"])
    own = Path(inspect.__file__).parent / "LICENSE.txt"
    found = [path for path in packages.glob("*.dist-info/**/*") if _is_licence(path)]
    for path in [own, *sorted(found)]:
        if path.is_file():
            name = f"licence {path.name}" if path == own else f"licence {path.relative_to(packages)}"
            yield Document(name, "prose", lambda path=path: _text(path))  # type: ignore[misc]


def _is_licence(path: Path) -> bool:
    return path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE"))


def _manuals() -> Iterator[Document]:
    found = sorted(path for section in _MANUAL_SECTIONS for path in (_MANUALS / section).glob("*.gz"))
    step = max(1, -(-len(found) // _MOST_MANUALS))
    for path in found[::step]:
        yield Document(f"manual {path.name.removesuffix('.gz')}", "prose", lambda path=path: _manual(path))  # type: ignore[misc]


def _sources() -> Iterator[Document]:
    root = Path(inspect.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if not _TESTS & set(path.relative_to(root).parts):
            name = str(path.relative_to(root))
            yield Document(f"docstrings of {name}", "prose", lambda path=path: _docstrings(path))  # type: ignore[misc]
            yield Document(f"source {name}", "code", lambda path=path: _text(path))  # type: ignore[misc]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return text.replace("\r\n", "\n").replace("\f", "\n")


def _docstrings(path: Path) -> str:
    text = _text(path)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(ast.get_docstring(node) or "")
    return "\n\n".join(filter(None, found))


def _manual(path: Path) -> str:
    try:
        with gzip.open(path) as file:
            source = file.read(_LARGEST).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError):
        return ""
    return manual_text(source)


def manual_text(source: str) -> str:
    """The words of a page in the language of man pages, without its layout. A page that only names another is empty."""
    lines: list[str] = []
    for line in source.splitlines():
        if line.startswith((".SH", ".SS", ".PP", ".P", ".LP", ".TP", ".IP", ".Sh", ".Pp", ".It", ".sp")):
            words = re.sub(r"^\.\w+\s*", "", line).replace('"', "")
            lines += ["", words] if line[1:3] in ("SH", "SS", "Sh") else [""]
        elif re.match(r"\.(?:[BIR]|BR|BI|IR|IB|RB|RI|SM|SB)\s", line):
            lines.append(re.sub(r"^\.\w+\s+", "", line).replace('"', ""))
        elif not line.startswith((".", "'")):
            lines.append(line)
    text = re.sub(r"\\[fm](?:\[\w*\]|\(\w\w|\w)|\\s[-+]?\d|\\[|&^/,:%]", "", "\n".join(lines))
    text = re.sub(r"\\\((\w\w)", lambda found: {"aq": "'", "em": "-", "en": "-"}.get(found[1], ""), text)
    text = re.sub(r"\\\[(\w+)\]", lambda found: {"aq": "'", "em": "-", "en": "-"}.get(found[1], ""), text)
    text = text.replace("\\-", "-").replace("\\e", "\\").replace("\\ ", " ").replace("\\(", "(")
    return re.sub(r"\n{3,}", "\n\n", text).strip()
