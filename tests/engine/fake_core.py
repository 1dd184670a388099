"""A model made of hashes, for tests of the scheduler: same calls and same checks as the compiled core, no arithmetic.

The next-token distribution is a hash of the sequence's actual tokens, read back through the page table. A wrong page, a
stale page, a wrong position, two sequences that write to one page: each changes the answer or is an error.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatz.engine.backend import Backend

VOCAB = 320
EOS = 319
_WORDS = ["ab", "abc", " the", "stop", "\n\n", "END", "ä", "€uro", "🐦", "xy"]


def token_bytes(token: int) -> bytes:
    """0..255 are single bytes, so that characters and stop strings are cut in every way; above are a few words."""
    return bytes([token]) if token < 256 else _WORDS[token % len(_WORDS)].encode()


class FakeDecoder:
    """The text of the longest complete prefix; a broken character becomes U+FFFD."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, token: int) -> str:
        self._pending += token_bytes(token)
        text = self._pending.decode(errors="replace")
        for keep in range(1, min(4, len(self._pending) + 1)):
            tail = self._pending[-keep:]
            lead = tail[0]
            size = 2 if 0xC2 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 4 if 0xF0 <= lead < 0xF5 else 0
            if size > keep and all(0x80 <= byte < 0xC0 for byte in tail[1:]):
                text = self._pending[:-keep].decode(errors="replace")
                self._pending = tail
                return text
        self._pending = b""
        return text

    def flush(self) -> str:
        text, self._pending = self._pending.decode(errors="replace"), b""
        return text


class FakeVocabulary:
    def token_bytes(self, token: int) -> bytes:
        return token_bytes(token)


class FakeCache:
    def __init__(self, max_pages: int, page_tokens: int) -> None:
        self.max_pages = max_pages
        self.page_tokens = page_tokens
        self.page_bytes = page_tokens * 8
        # [pages, page_tokens, 2] = token, position; -1 where nothing was written
        self.data = np.full((max_pages, page_tokens, 2), -1, np.int32)
        self.copies = 0

    def copy_page(self, source: int, target: int) -> None:
        if not (0 <= source < self.max_pages and 0 <= target < self.max_pages):
            raise ValueError("no such page")
        self.copies += 1
        self.data[target] = self.data[source]

    def release(self, page: int) -> None:
        if not 0 <= page < self.max_pages:
            raise ValueError("no such page")
        self.data[page] = -1

    def view(self, page: int) -> NDArray[np.uint8]:
        if not 0 <= page < self.max_pages:
            raise ValueError("no such page")
        return self.data[page].view(np.uint8).reshape(-1)


class FakeSampler:
    def __init__(
        self,
        *,
        vocab: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        min_p: float = 0.0,
        seed: int = 0,
        presence_penalty: float = 0.0,
        frequency_penalty: float = 0.0,
        repetition_penalty: float = 1.0,
        logit_bias: Mapping[int, float] | None = None,
        top_logprobs: int = -1,
    ) -> None:
        if not (-1 <= top_logprobs <= 20 and 0 <= seed < 1 << 64 and vocab > 0):
            raise ValueError("bad sampler")
        self.temperature, self.top_k, self.seed = temperature, top_k, seed
        self.frequency_penalty, self.repetition_penalty = frequency_penalty, repetition_penalty
        self.bias = dict(logit_bias or {})
        self.top_logprobs = top_logprobs
        self.counts = np.zeros(vocab, np.int32)
        self.prompt = np.zeros(vocab, bool)
        self.generated = 0
        self.allowed: NDArray[np.bool_] | None = None
        self.mask_known = threading.Event()
        self.mask_known.set()
        self.mask_failed = False

    def observe_output(self, tokens: NDArray[np.int32]) -> None:
        np.add.at(self.counts, tokens, 1)
        self.generated += len(tokens)

    def expect_mask(self) -> None:
        self.mask_known.clear()

    def set_mask(self, mask: NDArray[np.uint32] | None) -> None:
        if mask is not None:
            if mask.dtype != np.uint32 or mask.shape != (-(-len(self.counts) // 32),):
                raise ValueError("mask must have ceil(vocab/32) words")
            bits = np.unpackbits(mask.view(np.uint8), bitorder="little")[: len(self.counts)]
        self.allowed = None if mask is None else bits.astype(bool)
        self.mask_failed = False
        self.mask_known.set()

    def fail_mask(self) -> None:
        self.mask_failed = True
        self.mask_known.set()

    def observe_prompt(self, tokens: NDArray[np.int32]) -> None:
        self.prompt[:] = False
        self.prompt[tokens] = True

    def sample(self, logits: NDArray[np.float32]) -> int:
        """-1 where the mask allows nothing, or there is none, as forward gives it."""
        if not self.mask_known.wait(60):
            raise AssertionError("the mask that was promised did not come")
        if self.mask_failed or (self.allowed is not None and not self.allowed.any()):
            return -1
        logits = logits.copy()
        for token, bias in self.bias.items():
            logits[token] += bias
        logits[self.prompt | (self.counts > 0)] /= self.repetition_penalty
        logits -= self.frequency_penalty * self.counts
        if self.allowed is not None:
            logits[~self.allowed] = -np.inf
        if self.temperature > 0:
            noise = np.random.Generator(np.random.Philox(key=self.seed, counter=self.generated))
            logits = logits / self.temperature + noise.gumbel(size=len(logits))
        token = int(np.argmax(logits))
        self.counts[token] += 1
        self.generated += 1
        return token


@dataclass
class FakeResult:
    tokens: NDArray[np.int32]
    logprobs: NDArray[np.float32]
    top_tokens: NDArray[np.int32]
    top_logprobs: NDArray[np.float32]


@dataclass
class FakeModel:
    vocab: int = VOCAB
    eos_logit: float = 0.0
    fail_on: set[int] = field(default_factory=set)  # numbers of the calls that raise
    calls: int = 0
    batches: list[list[tuple[int, int]]] = field(default_factory=list)  # per call: (position, count) per sequence
    computed: int = 0

    def forward(
        self,
        cache: FakeCache,
        tokens: NDArray[np.int32],
        starts: NDArray[np.int32],
        positions: NDArray[np.int32],
        pages: NDArray[np.int32],
        rows: NDArray[np.int32],
        targets: NDArray[np.int32],
        samplers: Sequence[FakeSampler],
    ) -> FakeResult:
        self.calls += 1
        _check(self.vocab, cache, tokens, starts, positions, pages, rows, targets, samplers)
        if self.calls in self.fail_on:
            raise MemoryError("no memory for activations")
        self.batches.append([(int(p), int(n)) for p, n in zip(positions, np.diff(starts), strict=True)])
        self.computed += len(tokens)
        written: set[tuple[int, int]] = set()
        for s in range(len(positions)):
            for offset, token in enumerate(tokens[starts[s] : starts[s + 1]]):
                position = int(positions[s]) + offset
                page, slot = int(pages[s, position // cache.page_tokens]), position % cache.page_tokens
                if (page, slot) in written:
                    raise AssertionError(f"two tokens of one step go to slot {slot} of page {page}")
                written.add((page, slot))
                cache.data[page, slot] = token, position
        width = max([sampler.top_logprobs for sampler in samplers], default=0)
        result = FakeResult(
            np.zeros(len(rows), np.int32),
            np.zeros(len(rows), np.float32),
            np.full((len(rows), max(width, 0)), -1, np.int32),
            np.zeros((len(rows), max(width, 0)), np.float32),
        )
        for r, row in enumerate(rows):
            s = int(np.searchsorted(starts, row, side="right")) - 1
            logits = self.row_logits(_history(cache, pages[s], int(positions[s] + row - starts[s]) + 1))
            sampler = samplers[r]
            token = int(targets[r]) if targets[r] >= 0 else sampler.sample(logits)
            result.tokens[r] = token
            if sampler.top_logprobs >= 0:
                logprobs = logits - np.log(np.exp(logits.astype(np.float64)).sum())
                best = np.argsort(-logprobs, kind="stable")[: sampler.top_logprobs]
                result.logprobs[r] = logprobs[token]
                result.top_tokens[r, : len(best)] = best
                result.top_logprobs[r, : len(best)] = logprobs[best]
        return result

    def row_logits(self, history: NDArray[np.int32]) -> NDArray[np.float32]:
        digest = hashlib.blake2b(np.ascontiguousarray(history).tobytes(), digest_size=16).digest()
        generator = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
        logits = generator.standard_normal(self.vocab, dtype=np.float32) * 2
        logits[EOS] += self.eos_logit
        return logits


def _history(cache: FakeCache, pages: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    count = -(-length // cache.page_tokens)
    entries = cache.data[pages[:count]].reshape(-1, 2)[:length]
    if not np.array_equal(entries[:, 1], np.arange(length)):
        raise AssertionError("a page holds other positions than the page table says, or was never written")
    return entries[:, 0]


def _check(
    vocab: int,
    cache: FakeCache,
    tokens: NDArray[np.int32],
    starts: NDArray[np.int32],
    positions: NDArray[np.int32],
    pages: NDArray[np.int32],
    rows: NDArray[np.int32],
    targets: NDArray[np.int32],
    samplers: Sequence[FakeSampler],
) -> None:
    for name, array, dims in [
        ("tokens", tokens, 1),
        ("starts", starts, 1),
        ("positions", positions, 1),
        ("pages", pages, 2),
        ("rows", rows, 1),
        ("targets", targets, 1),
    ]:
        if array.dtype != np.int32 or array.ndim != dims or not array.flags.c_contiguous:
            raise ValueError(f"{name} must be a contiguous int32 array of {dims} dimensions")
    count = len(positions)
    if count == 0 or len(starts) != count + 1 or len(pages) != count:
        raise ValueError("sequences do not agree")
    if starts[0] != 0 or starts[-1] != len(tokens) or (np.diff(starts) < 1).any():
        raise ValueError("starts must ascend from 0 to the number of tokens")
    if (tokens < 0).any() or (tokens >= vocab).any():
        raise ValueError("token out of range")
    if (positions < 0).any():
        raise ValueError("position out of range")
    for s in range(count):
        needed = -(-int(positions[s] + starts[s + 1] - starts[s]) // cache.page_tokens)
        own = pages[s, :needed]
        if len(own) < needed or (own < 0).any() or (own >= cache.max_pages).any() or len(set(own.tolist())) < needed:
            raise ValueError("page table too short or page out of range")
    if len(rows) != len(targets) or len(rows) != len(samplers):
        raise ValueError("rows, targets and samplers do not agree")
    if len(rows) and (rows[0] < 0 or rows[-1] >= len(tokens) or (np.diff(rows) <= 0).any()):
        raise ValueError("rows must ascend within tokens")
    if (targets < -1).any() or (targets >= vocab).any():
        raise ValueError("target out of range")
    sampling = [id(sampler) for sampler, target in zip(samplers, targets, strict=True) if target < 0]
    scoring = {id(sampler) for sampler, target in zip(samplers, targets, strict=True) if target >= 0}
    if len(set(sampling)) < len(sampling) or scoring & set(sampling):
        raise ValueError("two rows share a sampler")


def fake_backend(
    *,
    pages: int = 64,
    page_tokens: int = 8,
    context_length: int = 256,
    eos_logit: float = 0.0,
    model: FakeModel | None = None,
) -> Backend:
    """Small pages, so that short prompts cross many of them."""
    model = model or FakeModel(eos_logit=eos_logit)
    return Backend(
        forward=model.forward,
        cache=FakeCache(pages, page_tokens),
        sampler=FakeSampler,
        decoder=FakeDecoder,
        vocabulary=FakeVocabulary(),
        vocab=model.vocab,
        context_length=context_length,
        page_tokens=page_tokens,
        fingerprint="fake",
        eos_ids=frozenset({EOS}),
    )


def reference(
    prompt: Sequence[int], count: int, *, seed: int = 0, model: FakeModel | None = None, **sampling: float
) -> list[int]:
    """What a sequence alone, without pages and batches, answers: ended by EOS (included) or `count` tokens."""
    model = model or FakeModel()
    sampler = FakeSampler(vocab=model.vocab, seed=seed, **sampling)  # type: ignore[arg-type]
    sampler.observe_prompt(np.array(prompt, np.int32))
    tokens = list(prompt)
    for _ in range(count):
        token = sampler.sample(model.row_logits(np.array(tokens, np.int32)))
        tokens.append(token)
        if token == EOS:
            break
    return tokens[len(prompt) :]
