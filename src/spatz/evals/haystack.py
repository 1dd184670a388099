"""Haystacks: real text of any length in tokens, the same for the same seed on the same machine.

A `Corpus` holds the documents of sources.py as tokens; a `Haystack` is one order of them, in which no paragraph comes
twice before all there are have come once. What is hidden in it, and what is asked of it, is the tasks' business.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spatz.evals.sources import Document, documents, paragraphs

__all__ = ["Corpus", "Counted", "Encoder", "Haystack", "Text", "boundary"]

Text = Literal["mixed", "prose", "code"]

_LINE = "\n\n"  # between paragraphs


class Encoder(Protocol):
    """What is needed of a tokenizer."""

    def encode_array(self, text: str) -> NDArray[np.int32]: ...
    def decode(self, ids: NDArray[np.int32]) -> str: ...


@dataclass(frozen=True, slots=True)
class Counted:
    """How much text there is, each paragraph once."""

    documents: int
    paragraphs: int
    characters: int
    tokens: dict[str, int]  # by kind


class Corpus:
    """The documents, each read when it is first needed."""

    def __init__(self, tokenizer: Encoder, known: Sequence[Document] | None = None) -> None:
        self.tokenizer = tokenizer
        self.documents = tuple(documents() if known is None else known)
        self._read: dict[str, tuple[tuple[str, bytes], ...]] = {}

    def paragraphs(self, document: Document) -> tuple[tuple[str, bytes], ...]:
        """Each with a digest that is the same where only spaces differ."""
        if document.name not in self._read:
            parts = paragraphs(document.read())
            self._read[document.name] = tuple((part, _digest(part)) for part in parts)
        return self._read[document.name]

    def count(self) -> Counted:
        """All of it; it takes seconds, because everything is read."""
        seen: set[bytes] = set()
        characters = 0
        tokens = {"prose": 0, "code": 0}
        for document in self.documents:
            parts = _unseen(self.paragraphs(document), seen)
            text = _LINE.join(parts)
            characters += len(text)
            tokens[document.kind] += len(self.tokenizer.encode_array(text)) if text else 0
        return Counted(len(self.documents), len(seen), characters, tokens)


class Haystack:
    """kind "prose" and "code": only these documents; "mixed": prose, and code when that has run out.

    ordered: files of code follow each other as in their folders, from one that the seed picks, so that names recur.
    """

    def __init__(self, corpus: Corpus, seed: str, kind: Text = "mixed", *, ordered: bool = False) -> None:
        self._corpus = corpus
        self._random = random.Random(seed)
        self._order = self._orders(kind, ordered)
        self._next: Iterator[Document] = iter(())
        self._seen: set[bytes] = set()
        self._tokens = np.zeros(0, np.int32)
        self._unique: int | None = None  # tokens before the first that repeats
        self._rounds = 0

    def _orders(self, kind: Text, ordered: bool) -> list[list[Document]]:
        groups: dict[str, list[Document]] = {"prose": [], "code": []}
        for document in self._corpus.documents:
            groups[document.kind].append(document)
        wanted = [groups[name] for name in (("prose", "code") if kind == "mixed" else (kind,))]
        for group in wanted:
            if ordered and group:
                start = self._random.randrange(len(group))
                group[:] = group[start:] + group[:start]
            else:
                self._random.shuffle(group)
        return wanted

    def tokens(self, count: int) -> NDArray[np.int32]:  # [count]
        while len(self._tokens) < count:
            self._grow()
        return self._tokens[:count]

    def text(self, count: int) -> str:
        """So many tokens of text, cut behind the last one (a character that is cut in two is left out)."""
        return self._corpus.tokenizer.decode(self.tokens(count)).rstrip("\ufffd")

    def repeated(self, count: int) -> int:
        """How many of the first tokens are text that came before."""
        self.tokens(count)
        return 0 if self._unique is None else max(0, count - self._unique)

    def _grow(self) -> None:
        """Add documents, at least a tenth of what there is: adding one by one would copy everything each time."""
        pieces, wanted, size = [self._tokens], max(2_000, len(self._tokens) // 10), 0
        while size < wanted:
            document = next(self._next, None)
            if document is None:
                if self._rounds:
                    if not sum(map(len, pieces)):
                        raise ValueError("there is no text to make a haystack of")
                    if self._unique is None:
                        self._unique = sum(map(len, pieces))
                    self._seen.clear()
                    for group in self._order:
                        self._random.shuffle(group)
                self._rounds += 1
                self._next = iter([document for group in self._order for document in group])
                continue
            parts = _unseen(self._corpus.paragraphs(document), self._seen)
            if parts:
                pieces.append(self._corpus.tokenizer.encode_array(_LINE.join(parts) + _LINE))
                size += len(pieces[-1])
        self._tokens = np.concatenate(pieces)


def boundary(text: str, near: int) -> tuple[int, str]:
    """The beginning of a sentence or paragraph that is nearest to a character, and the white space before it."""
    for reach in (300, 3_000):
        low = max(0, near - reach)
        places = [(found.end(), found[0]) for found in _SENTENCE_END.finditer(text, low, near + reach)]
        places += [(0, _LINE)] * (low == 0)
        if places:
            return min(places, key=lambda place: abs(place[0] - near))
    return near, " "


_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n\n+")


def _digest(paragraph: str) -> bytes:
    return hashlib.blake2b(" ".join(paragraph.split()).encode("utf-8", "replace"), digest_size=8).digest()


def _unseen(parts: Sequence[tuple[str, bytes]], seen: set[bytes]) -> list[str]:
    new = []
    for text, digest in parts:
        if digest not in seen:
            seen.add(digest)
            new.append(text)
    return new
