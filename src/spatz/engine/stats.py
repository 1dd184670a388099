"""What the engine tells about itself: a record per step and per finished request, and a snapshot of the moment.

The server's metrics implement `Listener`; the engine imports nothing from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from spatz.engine.request import FinishReason

__all__ = ["EngineStats", "Listener", "RequestRecord", "StepRecord"]


@dataclass(frozen=True, slots=True)
class StepRecord:
    seconds: float  # schedule, run and postprocess
    sequences: int  # in the batch
    tokens: int  # run, in prefill and decode together
    sampled: int  # tokens given to answers


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that has ended. Seconds are since it was submitted; None where it did not get that far."""

    request_id: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    queued_seconds: float | None
    first_token_seconds: float | None
    seconds: float
    finish_reason: FinishReason | None  # of the choice that ended last; None: it failed

    @property
    def token_seconds(self) -> float | None:
        """Mean time from one token to the next after the first, over all choices."""
        if self.first_token_seconds is None or self.completion_tokens < 2:
            return None
        return (self.seconds - self.first_token_seconds) / (self.completion_tokens - 1)


@dataclass(frozen=True, slots=True)
class EngineStats:
    """The moment, and totals since the start."""

    queued: int  # requests that have not started
    waiting: int  # sequences not in the batch: of queued requests, preempted, or choices without a place yet
    running: int  # sequences
    pages_total: int
    pages_used: int
    pages_idle: int  # kept for their content alone
    page_bytes: int
    steps: int
    tokens_in: int  # prompt tokens of requests that have started
    tokens_cached: int
    tokens_out: int
    preemptions: int
    failures: int  # steps that the core failed
    prefill_done: int = 0  # tokens of the prompts under way that have been run, reused ones included
    prefill_total: int = 0  # tokens of the prompts under way


class Listener(Protocol):
    """Called in the step thread: return quickly. What it raises is logged and goes no further."""

    def on_step(self, record: StepRecord) -> None: ...
    def on_finish(self, record: RequestRecord) -> None: ...
