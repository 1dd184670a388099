"""Answers without a model: a walk through the tokens that a constraint allows, drawn by lot.

It says what no model would. Whatever it says to the end must satisfy the schema.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from spatz.engine.request import Constraint
from spatz.weights.tokenizer import Tokenizer

__all__ = ["walk"]

CLOSING = tuple(b'"]}')


def walk(constraint: Constraint, tokenizer: Tokenizer, seed: int, *, steps: int = 250) -> str | None:
    """The text, or None where it did not end within so many steps. After a third of them it looks for an end."""
    lots = random.Random(seed)
    mask = np.zeros(-(-tokenizer.vocab_size // 32), np.uint32)
    said: list[int] = []
    ends = set(_ends(tokenizer))
    for step in range(steps):
        forced = list(constraint.forced())
        if not forced:
            constraint.mask(mask)
            allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
            assert len(allowed), "no token may follow"
            forced = [_choice(allowed.tolist(), tokenizer, ends, lots, hurry=step > steps // 3)]
        for token in forced:
            if token in ends:
                return b"".join(map(tokenizer.token_bytes, said)).decode()
            said.append(token)
        constraint.accept(forced)
    return None


def _ends(tokenizer: Tokenizer) -> Sequence[int]:
    assert tokenizer.eos_id is not None
    return (tokenizer.eos_id,)


def _choice(allowed: Sequence[int], tokenizer: Tokenizer, ends: set[int], lots: random.Random, *, hurry: bool) -> int:
    closing = [token for token in allowed if token in ends]
    if closing and (hurry or lots.random() < 0.3):
        return closing[0]
    if hurry or lots.random() < 0.15:
        closing = [token for token in allowed if tokenizer.token_bytes(token)[:1] in (b'"', b"]", b"}")]
        if closing:
            return lots.choice(closing)
    return lots.choice(list(allowed))
