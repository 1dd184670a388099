"""How well each token of a long real document is foretold, by its position: does a long context help, or hurt?

Prose, and source code in the order of its folders, where names recur over long distances. A curve is the mean negative
log-likelihood in bins of positions that grow by half; e to the power of it is the perplexity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spatz.evals.haystack import Corpus, Haystack

__all__ = ["Bin", "DocumentKind", "Perplexity", "bins", "document_tokens"]

DocumentKind = Literal["prose", "code"]
KINDS: tuple[DocumentKind, ...] = ("prose", "code")

_FIRST = 256  # positions in the first bin


@dataclass(frozen=True, slots=True)
class Bin:
    start: int  # positions start to end - 1
    end: int
    nll: float  # mean, in nats

    @property
    def perplexity(self) -> float:
        return math.exp(self.nll)


@dataclass(frozen=True, slots=True)
class Perplexity:
    kind: str
    length: int
    bins: tuple[Bin, ...]
    seconds: float
    repeated: int
    error: str = ""

    @property
    def nll(self) -> float:
        """Over the whole document."""
        total = sum((item.end - item.start) * item.nll for item in self.bins)
        return total / (self.bins[-1].end - self.bins[0].start) if self.bins else math.nan


def document_tokens(corpus: Corpus, kind: DocumentKind, length: int, seed: int) -> tuple[list[int], int]:
    """Tokens of a document of that length, and how many of them repeat what came before."""
    haystack = Haystack(corpus, f"perplexity/{kind}/{seed}", kind, ordered=True)
    tokens: list[int] = haystack.tokens(length).tolist()
    return tokens, haystack.repeated(length)


def bins(logprobs: Sequence[float], start: int = 1) -> tuple[Bin, ...]:
    """logprobs: of the tokens from position `start` on."""
    found = []
    end = start + len(logprobs)
    low, high = start, _FIRST
    while low < end:
        # What is left at the end is no bin of its own if it is small.
        stop = end if end - high < (high - low) // 4 else high
        part = logprobs[low - start : stop - start]
        found.append(Bin(low, stop, -math.fsum(part) / len(part)))
        low, high = stop, stop + max(_FIRST, stop // 2)
    return tuple(found)
