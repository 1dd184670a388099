"""What the engine needs from below: a model that steps, a KV cache of pages, samplers, and tokens as text.

The protocols are the part of `_core` and of the tokenizer that the engine calls, no more, so that the scheduler can be
tested against a model made of hashes. `Backend` bundles them with the facts about the model that requests are checked
by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spatz.context.far_memory import FarMemory

__all__ = ["Backend", "Cache", "Decoder", "Forward", "Result", "TokenSampler", "Vocabulary"]


class TokenSampler(Protocol):
    def observe_prompt(self, tokens: NDArray[np.int32]) -> None: ...
    def observe_output(self, tokens: NDArray[np.int32]) -> None: ...
    def expect_mask(self) -> None: ...
    def fail_mask(self) -> None: ...
    def set_mask(self, mask: NDArray[np.uint32] | None) -> None: ...


class SamplerFactory(Protocol):
    def __call__(
        self,
        *,
        vocab: int,
        temperature: float = ...,
        top_p: float = ...,
        top_k: int = ...,
        min_p: float = ...,
        seed: int = ...,
        presence_penalty: float = ...,
        frequency_penalty: float = ...,
        repetition_penalty: float = ...,
        logit_bias: Mapping[int, float] | None = ...,
        top_logprobs: int = ...,
    ) -> Any: ...


class Result(Protocol):
    @property
    def tokens(self) -> NDArray[np.int32]: ...
    @property
    def logprobs(self) -> NDArray[np.float32]: ...
    @property
    def top_tokens(self) -> NDArray[np.int32]: ...
    @property
    def top_logprobs(self) -> NDArray[np.float32]: ...


class Cache(Protocol):
    @property
    def max_pages(self) -> int: ...
    @property
    def page_bytes(self) -> int: ...
    def copy_page(self, source: int, target: int) -> None: ...
    def release(self, page: int) -> None: ...
    def view(self, page: int) -> NDArray[np.uint8]: ...


class Decoder(Protocol):
    """One text being written: bytes of a character that is not complete are held back until it is."""

    def feed(self, token: int) -> str: ...
    def flush(self) -> str: ...


class Vocabulary(Protocol):
    def token_bytes(self, token: int) -> bytes: ...


class Forward(Protocol):
    """As `_core.Model.forward` documents it. What has a default is given for routed sequences and for images alone."""

    def __call__(
        self,
        cache: Any,
        tokens: NDArray[np.int32],
        starts: NDArray[np.int32],
        positions: NDArray[np.int32],
        pages: NDArray[np.int32],
        rows: NDArray[np.int32],
        targets: NDArray[np.int32],
        samplers: Sequence[Any],
        routes: NDArray[np.int32] | None = None,
        far_heads: Any = None,
        shallow: bool = False,
        embeddings: NDArray[np.float32] | None = None,
        embedding_rows: NDArray[np.int32] | None = None,
    ) -> Result: ...


@dataclass(frozen=True)
class Backend:
    forward: Forward
    cache: Cache
    sampler: SamplerFactory
    decoder: Callable[[], Decoder]
    vocabulary: Vocabulary
    vocab: int  # token ids are 0..vocab-1
    context_length: int  # prompt and answer together
    page_tokens: int
    fingerprint: str  # names weights and formats: pages of different fingerprints are never mixed
    mode: str = "exact"  # the attention mode, part of a page's address
    eos_ids: frozenset[int] = field(default_factory=frozenset)
    context_limit: int = 0  # the same where not every token is read exactly; 0: no more than context_length
    far: FarMemory | None = None  # what the mode "routed" keeps things in
    gap: Sequence[int] = ()  # tokens that stand for what a skimmed prompt leaves out
    padding: int = 0  # rows of logits past the vocabulary, which many models have and none may answer with

    def __post_init__(self) -> None:
        if self.context_limit < self.context_length:
            object.__setattr__(self, "context_limit", self.context_length)

    @cached_property
    def token_bytes(self) -> Callable[[int], bytes]:
        """Always the same object, by which others know what they derived from it."""
        return self.vocabulary.token_bytes

    @property
    def rows(self) -> int:
        """Logits per token."""
        return self.vocab + self.padding

    @cached_property
    def mask(self) -> NDArray[np.uint32] | None:
        """The tokens that there are, as a sampler's bit set, lowest bit first; None where no row is padding."""
        if not self.padding:
            return None
        bits = np.zeros(-(-self.rows // 32) * 32, np.uint8)
        bits[: self.vocab] = 1
        return np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)
