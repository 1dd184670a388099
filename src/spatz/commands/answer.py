"""One answer of the local model, for `run` and `chat`: sampling flags, and text that is printed as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spatz.commands.prompt_bar import PromptBar
from spatz.engine.request import Constraint, ContextMode, FinishReason, Request, SamplingParams, Usage
from spatz.errors import RequestError

if TYPE_CHECKING:
    from spatz.prompt.build import Prompt
    from spatz.server.served import ServedModel

__all__ = ["Answer", "answer", "params_of"]


@dataclass(slots=True)
class Answer:
    text: str
    finish_reason: FinishReason
    usage: Usage


def params_of(**given: Any) -> SamplingParams:
    """The flags that were given; for the others the engine's defaults hold."""
    return SamplingParams(**{name: value for name, value in given.items() if value is not None and value != []})


async def answer(
    model: ServedModel,
    prompt: Prompt,
    params: SamplingParams,
    show: Callable[[str], None],
    source: str,
    context: ContextMode,
    *,
    constraint: Callable[[], Constraint] | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> Answer:
    """show: gets the text as it comes. enough: whether it wants no more. Cancelling it ends the request in one step."""
    request = Request(
        prompt=prompt.tokens,
        params=params,
        source=source,
        context=context,
        areas=prompt.areas,
        images=prompt.images,
        constraint=constraint,
    )
    request = await asyncio.to_thread(model.plan, request)
    pieces: list[str] = []
    reason, usage = FinishReason.ABORT, None
    async with aclosing(model.submit(request)) as deltas, PromptBar(deltas, len(request.prompt)) as bar:
        async for delta in deltas:
            await bar.end()  # before anything is printed where it stands
            if delta.text:
                pieces.append(delta.text)
                show(delta.text)
            reason = delta.finish_reason or reason
            usage = delta.usage or usage
            if usage is None and enough():
                deltas.cancel()
    if usage is None:
        raise RequestError("the answer broke off", status=500, type="server_error")
    return Answer("".join(pieces), reason, usage)
