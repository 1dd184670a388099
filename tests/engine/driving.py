"""Runs requests through a Stepper in the test's own thread and collects what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatz.context.prefix import KeptPage
from spatz.engine.request import (
    Constraint,
    Delta,
    FinishReason,
    Priority,
    Request,
    SamplingParams,
    TokenLogprob,
    Usage,
)
from spatz.engine.sequence import Group
from spatz.engine.stepper import Stepper
from spatz.errors import RequestError


@dataclass
class Answer:
    """A sink: everything that one request was answered."""

    n: int = 1
    texts: list[str] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    logprobs: list[list[TokenLogprob]] = field(default_factory=list)
    reasons: list[FinishReason | None] = field(default_factory=list)
    prompt_logprobs: tuple[TokenLogprob, ...] | None = None
    usage: Usage | None = None
    error: RequestError | None = None
    steps: list[int] = field(default_factory=list)  # in which steps something arrived

    def __post_init__(self) -> None:
        self.texts = [""] * self.n
        self.tokens = [[] for _ in range(self.n)]
        self.logprobs = [[] for _ in range(self.n)]
        self.reasons = [None] * self.n

    def take(self, item: Delta | RequestError, step: int = 0) -> None:
        assert self.usage is None and self.error is None, "something came after the end"
        self.steps.append(step)
        if isinstance(item, RequestError):
            self.error = item
            return
        assert self.reasons[item.index] is None, "a choice went on after its end"
        self.texts[item.index] += item.text
        self.tokens[item.index] += item.tokens
        self.logprobs[item.index] += item.logprobs
        self.reasons[item.index] = item.finish_reason
        if item.prompt_logprobs is not None:
            assert self.prompt_logprobs is None and item.index == 0
            self.prompt_logprobs = item.prompt_logprobs
        self.usage = item.usage

    @property
    def done(self) -> bool:
        return self.usage is not None or self.error is not None


class DictTier:
    """What a disk would be to the prefix cache."""

    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}

    def has(self, digest: bytes) -> bool:
        return digest in self.pages

    def offer(self, digest: bytes, parent: bytes, page: NDArray[np.uint8], owner: str, kept: KeptPage) -> None:
        self.pages[digest] = page.tobytes()

    def fetch(self, digest: bytes, page: NDArray[np.uint8]) -> bool:
        page[:] = np.frombuffer(self.pages[digest], np.uint8)
        return True


class Driver:
    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.steps = 0

    def submit(
        self,
        prompt: Sequence[int],
        *,
        constraint: Callable[[], Constraint] | None = None,
        priority: Priority = Priority.LIVE,
        **params: Any,
    ) -> tuple[Answer, Group]:
        wanted = SamplingParams(**params)
        answer = Answer(wanted.n)
        group = self.stepper.prepare(Request(prompt, wanted, constraint=constraint, priority=priority), answer)
        self._hand_out(self.stepper.submit(group))
        return answer, group

    def cancel(self, group: Group) -> None:
        self._hand_out(self.stepper.cancel(group))

    def step(self) -> None:
        self.steps += 1
        self._hand_out(self.stepper.step())
        self.stepper.check()

    def finish(self, limit: int = 20_000) -> None:
        for _ in range(limit):
            if not self.stepper.busy:
                self.stepper.check()
                return
            self.step()
        raise AssertionError(f"not done after {limit} steps")

    def _hand_out(self, items: list[tuple[Any, Delta | RequestError]]) -> None:
        for answer, item in items:
            answer.take(item, self.steps)
