"""What the engine is asked and what it answers: token ids in, deltas of text and tokens out.

The contract between the server (above) and the scheduler (below). No HTTP, no chat messages here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from spatz.context.areas import Area

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spatz.engine.images import PromptImages

__all__ = [
    "Constraint",
    "ContextMode",
    "ContextUse",
    "Delta",
    "FinishReason",
    "Priority",
    "Progress",
    "Request",
    "SamplingParams",
    "TokenLogprob",
    "Tokens",
    "Usage",
]

Tokens: TypeAlias = "Sequence[int] | NDArray[np.int32]"  # an array where there may be a million of them


class FinishReason(StrEnum):
    STOP = "stop"  # end-of-turn token or stop string
    LENGTH = "length"  # max_tokens, or the context is full
    ABORT = "abort"  # cancelled by the caller


class Priority(IntEnum):
    """Whose prompt is run first. Within one priority it is the order of arrival."""

    LIVE = 0  # somebody waits
    BACKGROUND = 1  # batches: runs in what live requests leave, and gives way when one comes


class ContextMode(StrEnum):
    """How a prompt is read. AUTO: exact where prompt and answer fit what the model was trained on, else routed."""

    AUTO = "auto"
    EXACT = "exact"  # full attention over every token, as the model was trained
    ROUTED = "routed"  # every token is run; far ones are kept for some heads, and looked up by what is asked
    SKIM = "skim"  # of long texts only the blocks that the question is about are run


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
    prompt: Tokens
    params: SamplingParams
    request_id: str = ""
    source: str = "messages"  # the API's name for the prompt in errors: "messages", "prompt" or "input"
    constraint: Callable[[], Constraint] | None = None  # makes one for each choice
    priority: Priority = Priority.LIVE
    context: ContextMode = ContextMode.AUTO
    areas: Sequence[Area] = ()  # of the prompt's parts, in order; none: it is one instruction
    images: PromptImages | None = None
    plan: Any = None  # what Engine.plan made of it; None: submit makes it
    owner: str = ""  # whose entries of the cache on disk it makes; what is found there is shared by all


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    token: int
    data: bytes  # the token's own bytes, which may be part of a character
    logprob: float
    top: tuple[tuple[int, bytes, float], ...] = ()  # (token, bytes, logprob), best first


@dataclass(frozen=True, slots=True)
class ContextUse:
    """How the prompt was read, and from what the answer was drawn."""

    mode: ContextMode  # never AUTO
    blocks: int = 0  # of far text that were looked up (routed), or run (skim)
    spans: tuple[tuple[int, int], ...] = ()  # those blocks as token ranges [start, end) of the prompt, in order


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a prompt has been run."""

    done: int  # tokens, reused ones included
    total: int


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int  # as sent, also where fewer were run
    completion_tokens: int  # over all choices, with end-of-turn tokens and those of stop strings: all that were run
    cached_tokens: int  # of the prompt, found in the prefix cache: a multiple of 128
    context: ContextUse = ContextUse(ContextMode.EXACT)


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
