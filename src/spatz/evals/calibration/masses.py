"""How much attention each KV head pays to a planted fact while the fact is being told: who fetches from far away.

The right answer is given, not sampled, and the step that would say each of its tokens is looked at. Facts that the
model does not know how to tell, even so, say nothing about its heads and do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatz import _core
from spatz.errors import SpatzError
from spatz.evals.calibration.facts import Fact, Planted
from spatz.evals.calibration.prompts import Prompts
from spatz.weights.load import LoadedModel

__all__ = ["Masses", "Reader", "measure"]

_CHUNK = 512  # tokens of a step


@dataclass(frozen=True, slots=True)
class Masses:
    shares: NDArray[
        np.float64
    ]  # [layers, kv_heads] of the attention, 0 to 1: the mean over facts of the best query head
    asked: int  # facts
    told: int  # of those, how many the model told right


def measure(loaded: LoadedModel, kind: str, texts: Iterable[Planted], tell: Callable[[int, int], None]) -> Masses:
    """kind: of the KV cache. tell(asked, told) is called after each text."""
    reader = Reader(loaded, kind)
    decoder = loaded.decoder
    total = np.zeros((decoder.layers, decoder.heads))
    asked = told = 0
    for planted in texts:
        for fact, messages in zip(planted.facts, planted.conversations, strict=True):
            prompt = np.concatenate([reader.prompts.prompt(messages).tokens, reader.prompts.begun(fact.begun)])
            right, shares = reader.tell(prompt, fact)
            asked += 1
            if right:
                told += 1
                total += shares
        tell(asked, told)
    by_query = total / max(1, told)
    group = decoder.heads // decoder.kv_heads
    return Masses(by_query.reshape(decoder.layers, decoder.kv_heads, group).max(axis=2), asked, told)


class Reader:
    """Runs prompts that begin alike, each from where it differs from the one before."""

    def __init__(self, loaded: LoadedModel, kind: str) -> None:
        self.prompts = Prompts(loaded)
        self._core = loaded.core
        self._tokenizer = loaded.tokenizer
        pages = -(-loaded.card.context_length // _core.PAGE_TOKENS)
        self._limit = loaded.card.context_length
        self._cache = _core.KVCache(loaded.core, pages, kind)
        self._pages = np.arange(pages, dtype=np.int32).reshape(1, -1)
        self._known = np.zeros(0, np.int32)

    def tell(self, prompt: NDArray[np.int32], fact: Fact) -> tuple[bool, NDArray[np.float64]]:
        """Whether each token of the value is the likeliest one; and [layers, heads] what share of their attention pays
        for it, the mean over its tokens. Raises SpatzError for a prompt that is too long.
        """
        value = self._tokenizer.encode_array(f" {fact.value}", continues=True)
        tokens = np.concatenate([prompt, value])
        if len(tokens) > self._limit:
            raise SpatzError(f"a question of {len(tokens):,} tokens is longer than the model's {self._limit:,}")
        first = len(prompt) - 1  # the token behind which the value begins
        self._run(tokens[:first])
        said = tokens[first:-1]
        rows = np.arange(len(said), dtype=np.int32)
        step = (self._cache, said, *self._at(first, len(said)), rows)
        right = np.array_equal(self._core.logits(*step).argmax(axis=1), value)
        begin, end = self._place(prompt, fact.sentence)
        ranges = np.tile(np.array([begin, end], np.int32), (len(said), 1))
        shares = self._core.attention_mass(*step, ranges)
        self._known = tokens[:-1]
        return right, shares.mean(axis=0, dtype=np.float64)

    def _run(self, tokens: NDArray[np.int32]) -> None:
        least = min(len(tokens), len(self._known))
        same = self._known[:least] == tokens[:least]
        at = least if same.all() else int(same.argmin())
        none = np.zeros(0, np.int32)
        while at < len(tokens):
            chunk = tokens[at : at + _CHUNK]
            self._core.forward(self._cache, chunk, *self._at(at, len(chunk)), none, none, [])
            at += len(chunk)

    def _at(self, position: int, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        return np.array([0, count], np.int32), np.array([position], np.int32), self._pages

    def _place(self, tokens: NDArray[np.int32], sentence: str) -> tuple[int, int]:
        """The tokens [first, last) that a sentence of the prompt is made of."""
        pieces = [self._tokenizer.token_bytes(token) for token in tokens.tolist()]
        sought = sentence.encode()
        at = b"".join(pieces).find(sought)
        if at < 0:
            raise SpatzError("the model's tokenizer does not give back the text that it was given")
        ends = np.cumsum([len(piece) for piece in pieces])
        return int(np.searchsorted(ends, at, "right")), int(np.searchsorted(ends, at + len(sought), "left")) + 1
