"""The labels and values of an invoice, a receipt or a form, as lines of their own behind a document's Markdown.

A small model finds "due date: 28.02.2025" where it does not find "Zahlbar bis" in a page of German: labels that
business knows (labels.json, in several languages) are listed by their English names, others as they are. Values stay as
they were read. What has few such labels, or is long, is left alone. Nothing is guessed: what is listed stands in the
document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["fields"]

LONGEST_DOCUMENT = 16_000  # characters: what is longer is no form, and is searched for what is asked
LEAST_KNOWN = 3  # labels of business; fewer make no form
MOST = 40  # lines
LONGEST_VALUE = 120  # characters
LONGEST_LABEL = 40

_ABOVE = ("customer", "ship to")  # labels that need no colon to stand above their value, as a column's head does

_PAIR = re.compile(r"(?P<label>[^:|]{2,40}?)\s*:(?!//|\d\d)\s*(?P<value>\S.*)?")
_VALUE = re.compile(r"(?<=\s)[€$£\d].*$")
_PERCENT = re.compile(r"\(?\d+(?:[.,]\d+)?\s*%\)?")
_RULE = re.compile(r"[|\s:-]+")
_OWN = re.compile(r"\[[^\]]*\]")  # lines of the readers, such as a page's mark


def fields(markdown: str) -> str:
    """Lines of "name: value"; "" where the document is not of that kind."""
    if len(markdown) > LONGEST_DOCUMENT:
        return ""
    pairs = [(_known(label), label, value[:LONGEST_VALUE]) for label, value in _pairs(markdown)]
    known = {name for name, _, _ in pairs if name is not None}
    if len(known) < LEAST_KNOWN:
        return ""
    # An invoice's one date needs no name on its page, and the model needs it.
    plain = {"date": "invoice date"} if "invoice number" in known and "invoice date" not in known else {}
    lines = [f"{plain.get(name, name) if name else label}: {value}" for name, label, value in pairs]
    return "\n".join(list(dict.fromkeys(lines))[:MOST])


def _pairs(markdown: str) -> Iterator[tuple[str, str]]:
    lines = [_bare(line) for line in markdown.splitlines()]
    for place, line in enumerate(lines):
        if line.startswith("|"):
            yield from _of_row([_bare(cell) for cell in line.strip("|").split("|")])
            continue
        found = _PAIR.fullmatch(line)
        if found and found["value"]:
            yield found["label"].strip(), found["value"].strip()
        elif apart := _apart(line):
            yield apart
        elif line.endswith(":") or _known(line) in _ABOVE:
            below = next(filter(None, lines[place + 1 : place + 3]), "")
            if below and not below.startswith("|") and _known(line) is not None:
                yield line, below


def _apart(line: str) -> tuple[str, str] | None:
    """A label of business and a value that begins with a digit or a currency, with no more than a space between."""
    found = _VALUE.search(line)
    if found is None or _known(line[: found.start()]) is None:
        return None
    return line[: found.start()].strip(), found[0]


def _of_row(cells: list[str]) -> Iterator[tuple[str, str]]:
    """A label and the next cell that is filled, where there are no more: a row of goods is none."""
    filled = [cell for cell in cells if cell]
    if len(filled) == 2 and (filled[0].endswith(":") or _known(filled[0]) is not None):
        yield filled[0].rstrip(": "), filled[1]


def _bare(line: str) -> str:
    """Without Markdown's marks."""
    line = line.strip()
    if _OWN.fullmatch(line) or _RULE.fullmatch(line):
        return ""
    return re.sub(r"^#+\s+|^[-*]\s+|\*\*", "", line).strip()


def _known(label: str) -> str | None:
    """The English name of a label."""
    if len(label) > LONGEST_LABEL:
        return None
    return _names().get(" ".join(_PERCENT.sub("", label).rstrip(": ").casefold().split()).rstrip(".:"))


@cache
def _names() -> dict[str, str]:
    known: dict[str, list[str]] = json.loads(Path(__file__).with_name("labels.json").read_text(encoding="utf-8"))
    return {label: name for name, labels in known.items() for label in labels}
