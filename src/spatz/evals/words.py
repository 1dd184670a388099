"""Words for what is hidden: keys and values that no real text has, drawn without repeating any."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

__all__ = ["ADJECTIVES", "NAMES", "NOUNS", "Words"]

_LISTS: dict[str, list[str]] = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
ADJECTIVES, NOUNS, NAMES = _LISTS["adjectives"], _LISTS["nouns"], _LISTS["names"]
_VERBS, _COUNTS = _LISTS["verbs"], _LISTS["counts"]


class Words:
    """Nothing comes twice out of one of these. Raises ValueError when there is no more."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)
        self._given: set[str] = set()

    def key(self) -> str:
        pick = self._random.choice
        return self._new(lambda: f"{pick(ADJECTIVES)}-{pick(NOUNS)}")

    def number(self) -> str:
        return self._new(lambda: str(self._random.randrange(1_000_000, 10_000_000)))

    def sentence(self) -> str:
        pick = self._random.choice
        return self._new(
            lambda: (
                f"the {pick(ADJECTIVES)} {pick(NOUNS)} {pick(_VERBS)} {pick(_COUNTS)} {pick(ADJECTIVES)} {pick(NOUNS)}s"
            )
        )

    def variable(self) -> str:
        return self._letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 5)

    def node(self) -> str:
        return self._letters("0123456789abcdef", 6)

    def code(self) -> str:
        """Letters that make no word."""
        pick = self._random.choice
        return self._new(lambda: "".join(pick("bcdfghjklmnpqrstvwxz") + pick("aeiou") for _ in range(3)))

    def name(self) -> str:
        return self._new(lambda: self._random.choice(NAMES))

    def _letters(self, alphabet: str, count: int) -> str:
        return self._new(lambda: "".join(self._random.choice(alphabet) for _ in range(count)))

    def _new(self, make: Callable[[], str]) -> str:
        for _ in range(1_000):
            word = make()
            if word not in self._given:
                self._given.add(word)
                return word
        raise ValueError("there are no more words of this kind")
