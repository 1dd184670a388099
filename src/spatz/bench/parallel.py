"""Many requests at once through the engine, as the server runs them, without the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from spatz.engine.request import Request, SamplingParams
from spatz.errors import SpatzError
from spatz.server.served import ServedModel

__all__ = ["run_batch"]


def run_batch(model: ServedModel, prompts: Sequence[Sequence[int]], generated: int) -> float:
    """Seconds until the last of the answers, which are greedy and exactly `generated` tokens long, is done."""
    params = SamplingParams(max_tokens=generated, temperature=0.0, ignore_eos=True)
    return asyncio.run(_answer_all(model, [Request(prompt, params, source="prompt") for prompt in prompts]))


async def _answer_all(model: ServedModel, requests: Sequence[Request]) -> float:
    start = time.perf_counter()
    await asyncio.gather(*(_answer(model, request) for request in requests))
    return time.perf_counter() - start


async def _answer(model: ServedModel, request: Request) -> None:
    usage = None
    async for delta in model.submit(request):
        usage = delta.usage or usage
    if usage is None or usage.completion_tokens != request.params.max_tokens:
        raise SpatzError("an answer of the batch broke off")
