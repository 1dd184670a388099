"""One answer of the local model, for `run` and `chat`: sampling flags, and text that is printed as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spatz.engine.request import FinishReason, Request, SamplingParams, Usage
from spatz.errors import RequestError

if TYPE_CHECKING:
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
    model: ServedModel, prompt: Sequence[int], params: SamplingParams, show: Callable[[str], None], source: str
) -> Answer:
    pieces: list[str] = []
    reason, usage = FinishReason.ABORT, None
    async with aclosing(model.submit(Request(prompt=prompt, params=params, source=source))) as deltas:
        async for delta in deltas:
            if delta.text:
                pieces.append(delta.text)
                show(delta.text)
            reason = delta.finish_reason or reason
            usage = delta.usage or usage
    if usage is None:
        raise RequestError("the answer broke off", status=500, type="server_error")
    return Answer("".join(pieces), reason, usage)
