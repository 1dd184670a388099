"""The speeds that prices are made of (prices.py): prompts, prompts read again, and answers alone and side by side.

All through an engine as the server has it, without the server. Each figure is the median of some runs after one that
does not count, and no prompt comes twice but where it is meant to.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from spatz.bench.parallel import run_batch
from spatz.bench.prices import CACHED, INPUT, OUTPUT, Speed
from spatz.bench.progress import Tell
from spatz.bench.text import TextTokens
from spatz.errors import SpatzError
from spatz.server.served import ServedModel

__all__ = ["CostPlan", "measure_speeds"]


@dataclass(frozen=True, slots=True)
class CostPlan:
    runs: int = 3
    prompts: tuple[int, ...] = (512, 2048)  # tokens, each the whole of a request that is answered with one token
    reread: int = 4096  # tokens of a prompt that was asked before; a multiple of the cache's pages of 128
    answer_prompt: int = 16  # tokens before an answer
    answer: int = 128  # tokens
    at_once: tuple[int, ...] = (1, 16, 32)

    def within(self, context_length: int, max_batch: int) -> CostPlan:
        """The part of it that a model of this length can run, with so many sequences at once."""
        return CostPlan(
            self.runs,
            tuple(size for size in self.prompts if size < context_length) or (context_length // 2,),
            min(self.reread, (context_length - 2) // 128 * 128),
            min(self.answer_prompt, context_length // 4),
            min(self.answer, context_length // 2),
            tuple(size for size in self.at_once if size <= max_batch),
        )


def measure_speeds(model: ServedModel, plan: CostPlan, tell: Tell) -> list[Speed]:
    text = TextTokens(_Encoder(model))
    found = []
    for size in plan.prompts:
        tell(f"prompts of {size} tokens")
        seconds = _median(plan.runs, lambda size=size: run_batch(model, [text.take(size)], 1))  # type: ignore[misc]
        found.append(Speed(INPUT, f"input_{size}", f"prompts of {size:,} tokens, one after another", size / seconds))
    if plan.reread:
        tell(f"a prompt of {plan.reread} tokens, read again")
        assumes = f"a beginning of {plan.reread:,} tokens that was asked before"
        found.append(Speed(CACHED, "cached_input", assumes, _reread(model, text.take(plan.reread + 1), plan.runs)))
    for size in plan.at_once:
        tell(f"answers, {size} at once")

        def answers(size: int = size) -> float:
            return run_batch(model, [text.take(plan.answer_prompt) for _ in range(size)], plan.answer)

        assumes = "one answer at a time" if size == 1 else f"{size} answers at once, all the time"
        found.append(Speed(OUTPUT, f"output_{size}", assumes, size * plan.answer / _median(plan.runs, answers)))
    return found


class _Encoder:
    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def encode(self, text: str) -> list[int]:
        tokens: list[int] = self._model.encode(text).tokens.tolist()
        return tokens


def _reread(model: ServedModel, prompt: list[int], runs: int) -> float:
    """Tokens a second that need not be computed again, with the time of the token that is."""
    run_batch(model, [prompt], 1)
    before = model.stats().tokens_cached
    seconds = _median(runs, lambda: run_batch(model, [prompt], 1))
    cached = (model.stats().tokens_cached - before) // (runs + 1)
    if cached < len(prompt) - 1:
        raise SpatzError(f"of a prompt that was asked before only {cached} of {len(prompt)} tokens were found again")
    return cached / seconds


def _median(runs: int, once: Callable[[], float]) -> float:
    once()
    return statistics.median(once() for _ in range(runs))
