"""Prefill and decode of one sequence, straight through the core's forward pass, in the chunks that the engine cuts.

`Runner` is also what a peer looks like (peer.py), so that the two can be run in turns.
"""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatz import _core
from spatz.bench.text import TextTokens
from spatz.engine.options import EngineOptions
from spatz.weights.load import LoadedModel

__all__ = ["Ours", "Runner"]


class Runner(Protocol):
    """Each call is one measurement, in tokens a second."""

    def prefill(self, tokens: int) -> float:
        """A prompt of so many tokens, until the first token of the answer is known."""

    def decode(self, depth: int, tokens: int) -> float:
        """So many tokens of an answer, one after another, with `depth` tokens before them."""


class Ours:
    def __init__(self, loaded: LoadedModel, text: TextTokens, most_tokens: int, kv: str = "int8") -> None:
        pages = -(-most_tokens // _core.PAGE_TOKENS)
        self._model = loaded.core
        self._vocab = loaded.vocab
        self._text = text
        self.cache = _core.KVCache(loaded.core, pages, kv)
        self._pages = np.arange(pages, dtype=np.int32)[np.newaxis]  # [1, pages]
        self._filled = 0

    def prefill(self, tokens: int) -> float:
        prompt = np.array(self._text.take(tokens), np.int32)
        start = time.perf_counter()
        self._fill(prompt)
        return tokens / (time.perf_counter() - start)

    def decode(self, depth: int, tokens: int) -> float:
        if depth and self._filled != depth:
            self._fill(np.array(self._text.take(depth), np.int32))
        sampler = self._greedy()
        token = np.array(self._text.take(1), np.int32)
        start = time.perf_counter()
        for position in range(depth, depth + tokens):
            token = self._forward(token, position, sampler)
        took = time.perf_counter() - start
        self._filled = depth  # what was decoded is overwritten next time
        return tokens / took

    def _fill(self, prompt: NDArray[np.int32]) -> None:
        chunk = EngineOptions().chunk_tokens
        for begin in range(0, len(prompt), chunk):
            last = begin + chunk >= len(prompt)
            self._forward(prompt[begin : begin + chunk], begin, self._greedy() if last else None)
        self._filled = len(prompt)

    def _forward(self, tokens: NDArray[np.int32], position: int, sampler: _core.Sampler | None) -> NDArray[np.int32]:
        """One step; with a sampler, the next token."""
        result = self._model.forward(
            self.cache,
            tokens,
            np.array([0, len(tokens)], np.int32),
            np.array([position], np.int32),
            self._pages,
            np.array([len(tokens) - 1] if sampler else [], np.int32),
            np.array([-1] if sampler else [], np.int32),
            [sampler] if sampler else [],
        )
        return result.tokens

    def _greedy(self) -> _core.Sampler:
        return _core.Sampler(vocab=self._vocab, temperature=0.0)
