"""The slides, sheets and chapters of a file, which count as its pages: which are read, and how they are marked.

A mark stands alone on a line, `[slide 3]`, as `[page 3]` does for PDFs, so that an answer can cite it. A line of the
text that looks like one loses its brackets.
"""

from __future__ import annotations

import re

from spatz.inputs.document import InputError, Note, ReadOptions

__all__ = ["mark", "selected", "unmarked"]

_LIKE = re.compile(r"^\[((?:page|slide|sheet|chapter) \d+[^\]\n]*)\]", re.MULTILINE | re.IGNORECASE)


def selected(total: int, options: ReadOptions, word: str) -> tuple[range, tuple[Note, ...]]:
    """The numbers of those that are read, from 0. Raises InputError where none of those asked for exist."""
    first, end = 0, total
    if options.pages is not None:
        first, end = options.pages[0] - 1, min(options.pages[1], total)
        if not 0 <= first < end:
            raise InputError(
                f"pages {options.pages[0]} to {options.pages[1]} were asked for, and it has {total} ({word}s count)",
                code="invalid_pages",
            )
    if end - first <= options.max_pages:
        return range(first, end), ()
    last = first + options.max_pages
    message = f"The {word}s {last + 1} to {end} were not read: at most {options.max_pages} are."
    return range(first, last), (Note("pages_left_out", message),)


def mark(word: str, number: int, name: str = "") -> str:
    """number: from 1."""
    name = " ".join(name.replace("[", "(").replace("]", ")").split())[:200]
    return f"[{word} {number}: {name}]" if name else f"[{word} {number}]"


def unmarked(text: str) -> str:
    return _LIKE.sub(r"(\1)", text) if "[" in text else text
