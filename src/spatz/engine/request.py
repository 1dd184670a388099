"""What the engine is asked and what it answers: token ids in, deltas of text and tokens out.

The contract between the server (above) and the scheduler (below). No HTTP, no chat messages here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Constraint",
    "Delta",
    "FinishReason",
    "Priority",
    "Request",
    "SamplingParams",
    "TokenLogprob",
    "Usage",
]


class FinishReason(StrEnum):
    STOP = "stop"  # end-of-turn token or stop string
    LENGTH = "length"  # max_tokens, or the context is full
    ABORT = "abort"  # cancelled by the caller


class Priority(IntEnum):
    """Whose prompt is run first. Within one priority it is the order of arrival."""

    LIVE = 0  # somebody waits
    BACKGROUND = 1  # batches: runs in what live requests leave, and gives way when one comes


class Constraint(Protocol):
    """What one choice may say next: the state of a grammar, advanced token by token. Made by prompt/grammar.py.

    The engine calls these from its own threads, one call at a time. An exception fails the request, never loosens it.
    """

    def mask(self, out: NDArray[np.uint32]) -> None:
        """Fill the bit set of allowed next tokens, lowest bit first. End-of-turn tokens are set where it may end."""

    def accept(self, tokens: Sequence[int]) -> None:
        """These tokens were said (sampled or forced)."""

    def forced(self) -> Sequence[int]:
        """The tokens that must come next whatever is sampled; empty where there is a choice."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to continue a prompt. Ranges are checked by the engine's `submit`, which raises RequestError."""

    max_tokens: int | None = None  # None: until the context is full, at most 32,768; 0 only to score the prompt
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0: off
    min_p: float = 0.0
    seed: int | None = None  # None: drawn by the engine
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    stop: Sequence[str] = ()  # not part of the text that is returned
    ignore_eos: bool = False
    n: int = 1  # choices that share the prompt's KV; choice i uses seed + i
    logprobs: int | None = None  # None: off; k: the token's own and the k best
    prompt_logprobs: int | None = None  # the same for the prompt's tokens (all but the first)


@dataclass(frozen=True, slots=True)
class Request:
    prompt: Sequence[int]
    params: SamplingParams
    request_id: str = ""
    source: str = "messages"  # the API's name for the prompt in errors: "messages", "prompt" or "input"
    constraint: Callable[[], Constraint] | None = None  # makes one for each choice
    priority: Priority = Priority.LIVE


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    token: int
    data: bytes  # the token's own bytes, which may be part of a character
    logprob: float
    top: tuple[tuple[int, bytes, float], ...] = ()  # (token, bytes, logprob), best first


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int  # over all choices, with end-of-turn tokens and those of stop strings: all that were run
    cached_tokens: int  # of the prompt, found in the prefix cache: a multiple of 128


@dataclass(frozen=True, slots=True)
class Delta:
    """One step of one choice. text may be empty (inside a character, or held back for a stop string)."""

    index: int
    text: str = ""
    tokens: tuple[int, ...] = ()  # those that `text` is made of: no end-of-turn token, none cut off by a stop string
    logprobs: tuple[TokenLogprob, ...] = ()  # for `tokens`, when asked for
    prompt_logprobs: tuple[TokenLogprob, ...] | None = None  # on the first delta of choice 0, when asked for
    finish_reason: FinishReason | None = None
    usage: Usage | None = None  # on the last delta of the last choice to finish
