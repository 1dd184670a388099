"""How the engine shares the machine among requests. Read by the scheduler and the engine; set by the configuration."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EngineOptions"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    max_running: int = 32  # sequences in a step; beyond 16 a step's matmuls no longer read the weights for free
    max_waiting: int = 256  # requests of a priority in the queue before its next is refused with 429
    background_running: int = 8  # sequences of background requests in a step that has live ones, too
    chunk_tokens: int = 512  # prompt tokens in a step while no answer is being written
    busy_chunk_tokens: int = 256  # ... while one is: how long a running answer can be held up for a prompt
    guest_chunk_tokens: int = 64  # ... of a prompt beyond the native context, beside anything else
    scored_chunk_tokens: int = 128  # ... of one prompt whose own log-probabilities are wanted: a row of logits for each
    prefix_reuse: bool = True
    kept_pages: int | None = None  # pages, used ones included, beyond which none is kept for reuse; None: no such bound

    def __post_init__(self) -> None:
        for name in (
            "max_running",
            "max_waiting",
            "background_running",
            "chunk_tokens",
            "busy_chunk_tokens",
            "guest_chunk_tokens",
            "scored_chunk_tokens",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
