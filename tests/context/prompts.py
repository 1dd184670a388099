"""Prompts of many parts over a vocabulary of bytes and a few words, for the tests of what looks for questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatz.context.areas import Area
from spatz.context.question import Question, find_question

__all__ = ["STORY", "VOCAB", "encode", "find", "prompt", "said", "token_bytes"]

WORDS = [" copper", "Copper", "copper", " the", " What", "What", " number", " is", " lantern"]
VOCAB = 256 + len(WORDS)
STORY = "".join(f"On day {day} the ship sailed on and nothing of note was seen.\n" for day in range(60))


def token_bytes(token: int) -> bytes:
    return bytes([token]) if token < 256 else WORDS[token - 256].encode()


def encode(text: str) -> list[int]:
    tokens: list[int] = []
    while text:
        word = max((word for word in WORDS if text.startswith(word)), key=len, default=None)
        tokens += [256 + WORDS.index(word)] if word else list(text[0].encode())
        text = text[len(word or " ") :]
    return tokens


def prompt(*parts: tuple[str, ...]) -> tuple[NDArray[np.int32], list[Area]]:
    """Each part: its text, and maybe its role and kind. Between two there is a frame."""
    tokens = encode("<s>")
    areas = []
    for text, *rest in parts:
        start = len(tokens)
        tokens += encode(text)
        kind = "document" if "document" in rest else "instruction"
        role = next((word for word in rest if word != "document"), "user")
        areas.append(Area(start, len(tokens), kind, role))  # type: ignore[arg-type]
        tokens += encode("</s>")
    return np.array(tokens, np.int32), areas


def find(tokens: NDArray[np.int32], areas: Sequence[Area] = ()) -> Question:
    return find_question(tokens, areas, token_bytes=token_bytes, vocab=VOCAB)


def said(tokens: NDArray[np.int32], ranges: Sequence[tuple[int, int]]) -> list[str]:
    return [b"".join(map(token_bytes, tokens[start:end].tolist())).decode() for start, end in ranges]
