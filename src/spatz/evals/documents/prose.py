"""Running text for letters and articles: sentences of business, and paragraphs of this machine's documentation.

English articles are real prose, from where haystacks have theirs (sources.py); German, of which a machine has none for
certain, is put together from sentences.
"""

from __future__ import annotations

import json
import random
import re
from functools import cache
from pathlib import Path

from spatz.evals.documents.made_up import MadeUp
from spatz.evals.sources import documents, paragraphs

__all__ = ["paragraphs_for", "phrase", "sentences"]

_PHRASES: dict[str, dict[str, list[str]]] = json.loads(
    Path(__file__).with_name("prose.json").read_text(encoding="utf-8")
)
_ENOUGH = 150  # paragraphs
_PLAIN = re.compile(r"[A-Z][A-Za-z0-9 ,.;:'()-]{250,600}\.")


def phrase(made: MadeUp, kind: str) -> str:
    return made.random.choice(_PHRASES[made.language][kind])


def sentences(made: MadeUp, count: int) -> str:
    return " ".join(made.random.sample(_PHRASES[made.language]["sentence"], count))


def paragraphs_for(made: MadeUp, count: int) -> list[str]:
    if made.language == "en" and len(_real()) >= count:
        return made.random.sample(_real(), count)
    return [sentences(made, made.random.randint(3, 5)) for _ in range(count)]


@cache
def _real() -> tuple[str, ...]:
    """Paragraphs of words and ordinary marks: what looks like code has no place in an article."""
    found: list[str] = []
    for document in documents():
        if document.kind != "prose":
            continue
        for text in paragraphs(document.read()):
            flat = " ".join(text.split())
            if _PLAIN.fullmatch(flat) and flat not in found:
                found.append(flat)
        if len(found) >= _ENOUGH:
            break
    random.Random(0).shuffle(found)
    return tuple(found)
