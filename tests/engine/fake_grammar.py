"""A grammar over the fake core's tokens that shows every mistake: what is allowed next is a hash of all that was said.

Now and then several tokens are forced, and the answer ends where the hash says so. `walk` is what a loop without an
engine answers under it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.fake_core import EOS, VOCAB, FakeModel, FakeSampler


@dataclass
class FakeGrammar:
    """fail_at: said tokens after which `fails` raises. end: forced as soon as so many were said; None: never."""

    salt: int = 0
    end: int | None = None
    forces: bool = True
    fail_at: int | None = None
    fails: str = ""  # "mask", "accept", "forced", "empty"
    said: list[int] = field(default_factory=list)

    def mask(self, out: NDArray[np.uint32]) -> None:
        self._maybe_fail("mask")
        bits = np.zeros(len(out) * 32, np.uint8)
        if not self._failing("empty"):
            bits[self._forced() or self._choice()] = 1
        if self._forced():
            bits[:] = 0
            bits[self._forced()[0]] = 1
        out[:] = np.packbits(bits, bitorder="little").view("<u4")

    def accept(self, tokens: Sequence[int]) -> None:
        self._maybe_fail("accept")
        for token in tokens:
            allowed = self._forced()[:1] or self._choice()
            assert token in allowed, f"{token} was said, allowed was {allowed} after {self.said}"
            self.said.append(token)

    def forced(self) -> Sequence[int]:
        self._maybe_fail("forced")
        return self._forced()

    def _forced(self) -> list[int]:
        """Runs of forced tokens begin after every seventh token or so, and are the same wherever one is inside."""
        count = len(self.said)
        if self.end is not None and count >= self.end:
            return [EOS]
        if not self.forces:
            return []
        run = 40 if self.salt % 5 == 4 else 3
        inside = count % (7 + run) - 7
        if inside < 0:
            return []
        stop = count + run - inside
        stop = stop if self.end is None else min(stop, self.end)
        return [(self.salt * 31 + i) % 256 for i in range(count, stop)]

    def _choice(self) -> list[int]:
        if self.end is not None and len(self.said) >= self.end:
            return [EOS]
        return random.Random(repr((self.salt, self.said))).sample(range(VOCAB - 1), 5)

    def _failing(self, where: str) -> bool:
        return self.fails == where and self.fail_at is not None and len(self.said) >= self.fail_at

    def _maybe_fail(self, where: str) -> None:
        if self._failing(where):
            raise ZeroDivisionError(f"the grammar failed in {where}")


def walk(prompt: Sequence[int], count: int, grammar: FakeGrammar, *, seed: int = 0, **sampling: float) -> list[int]:
    """The answer, with its end-of-turn token, token by token and all sampled."""
    model = FakeModel(eos_logit=-50.0)
    sampler = FakeSampler(vocab=VOCAB, seed=seed, **sampling)  # type: ignore[arg-type]
    sampler.observe_prompt(np.array(prompt, np.int32))
    mask = np.zeros(VOCAB // 32, np.uint32)
    tokens = list(prompt)
    for _ in range(count):
        grammar.mask(mask)
        sampler.set_mask(mask)
        tokens.append(sampler.sample(model.row_logits(np.array(tokens, np.int32))))
        if tokens[-1] == EOS:
            break
        grammar.accept(tokens[-1:])
    return tokens[len(prompt) :]
