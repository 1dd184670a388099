"""From engine requests to answers: several prompts merged into one stream, a stream gathered into whole choices.

Above it are the routes, which know the API's objects; below it is the engine. A client that goes away closes the
generators here, and with them the slots in the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from starlette.requests import Request as HttpRequest

from spatz.engine.request import ContextUse, Delta, FinishReason, Request, TokenLogprob, Usage
from spatz.errors import RequestError
from spatz.prompt.build import Prompt
from spatz.prompt.turn import Turn
from spatz.search.use import SearchUse
from spatz.server.context import context_body, planned, shared_mode
from spatz.server.input_use import InputUse
from spatz.server.meter import Charge, Meter
from spatz.server.served import ServedModel
from spatz.server.sse import wait_for_disconnect

__all__ = [
    "LONG_TEXT",
    "Choice",
    "ClientGone",
    "Totals",
    "encode_off_loop",
    "gather",
    "stopping",
    "stream",
    "text_size",
    "unless_gone",
]

T = TypeVar("T")

# Tokenizing this many characters takes a few milliseconds, which is what the event loop can spare.
LONG_TEXT = 16_384


def stopping() -> RequestError:
    return RequestError("The server is shutting down.", status=503, type="server_error", code="service_unavailable")


class ClientGone(Exception):
    """Nobody is there any more to be answered."""


@dataclass(slots=True)
class Choice:
    text: str = ""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    prompt_logprobs: Sequence[TokenLogprob] | None = None
    finish_reason: FinishReason = FinishReason.STOP
    pieces: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Totals:
    """Usage over all prompts of a request."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    contexts: dict[int, ContextUse] = field(default_factory=dict)  # by the place of the prompt
    inputs: Sequence[InputUse] = ()  # its images and files
    search: SearchUse | None = None  # None: nothing was searched

    def add(self, usage: Usage, place: int = 0) -> None:
        """place: of the prompt in its request."""
        self.contexts[place] = usage.context
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        self.cached_tokens += usage.cached_tokens

    @property
    def image_tokens(self) -> int:
        return sum(use.tokens for use in self.inputs if use.is_image)

    def told(self) -> dict[str, Any]:
        """The object `spatz` of a usage."""
        told = context_body(self.contexts)
        if self.inputs:
            told["inputs"] = [use.body() for use in self.inputs]
        if self.search is not None:
            told["search"] = self.search.body()
        return told

    def body(self) -> dict[str, Any]:
        image_tokens = self.image_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {
                "cached_tokens": self.cached_tokens,
                "audio_tokens": 0,
                "text_tokens": self.prompt_tokens - image_tokens,
                "image_tokens": image_tokens,
            },
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
            "spatz": self.told(),
        }


async def stream(
    model: ServedModel,
    requests: Sequence[Request],
    meter: Meter,
    *,
    enough: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[tuple[int, Delta], None]:
    """(choice's index over all prompts, delta): choice j of prompt i has the index i * n + j.

    enough: whether the reader of a single request's stream wants no more; what is still written then ends at once.
    """
    charges = meter.admit(requests)
    try:
        requests = [await planned(model, request) for request in requests]
    except BaseException:
        for charge in charges:
            charge.drop()
        raise
    meter.context = shared_mode(request.context for request in requests)
    if len(requests) == 1:
        async with aclosing(_timed(model, requests[0], meter, charges[0], enough)) as deltas:
            async for delta in deltas:
                yield delta.index, delta
        return
    # Unbounded, so that nothing can block on a consumer that has gone; choices and their tokens are bounded anyway.
    ready: asyncio.Queue[tuple[int, Delta] | None] = asyncio.Queue()

    async def pump(base: int, request: Request, charge: Charge) -> None:
        async with aclosing(_timed(model, request, meter, charge)) as deltas:
            async for delta in deltas:
                ready.put_nowait((base + delta.index, delta))

    async def pump_all() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for place, (request, charge) in enumerate(zip(requests, charges, strict=True)):
                    group.create_task(pump(place * request.params.n, request, charge))
        finally:
            ready.put_nowait(None)

    pumps = asyncio.create_task(pump_all())
    try:
        while (item := await ready.get()) is not None:
            yield item
        await _unwrapped(pumps)
    finally:
        pumps.cancel()
        await asyncio.gather(pumps, return_exceptions=True)
        for charge in charges:
            charge.drop_unless_begun()  # where one prompt cannot be served, the others may never have been


async def _unwrapped(task: asyncio.Task[None]) -> None:
    """One prompt's error is the request's error: callers know RequestError, not groups of them."""
    try:
        await task
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def _timed(
    model: ServedModel,
    request: Request,
    meter: Meter,
    charge: Charge,
    enough: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[Delta, None]:
    watch = meter.watch(request.params.n)
    cancelled = False
    try:
        with charge:
            async with aclosing(model.submit(request)) as deltas:
                deltas.on_usage = charge.settle  # also of an answer that nobody reads to its end
                async for delta in deltas:
                    if delta.finish_reason is FinishReason.ABORT:
                        if not cancelled:
                            # An answer that the server cuts short is an error, not a shorter answer.
                            raise stopping()
                        delta = replace(delta, finish_reason=FinishReason.STOP)
                    watch.step(len(delta.tokens))
                    yield delta
                    if not cancelled and delta.usage is None and enough():
                        cancelled = True
                        deltas.cancel()
    except Exception:
        charge.drop()
        raise
    finally:
        watch.end()


async def gather(model: ServedModel, requests: Sequence[Request], meter: Meter) -> tuple[list[Choice], Totals]:
    choices = [Choice() for request in requests for _ in range(request.params.n)]
    totals = Totals()
    async with aclosing(stream(model, requests, meter)) as deltas:
        async for index, delta in deltas:
            choice = choices[index]
            choice.pieces.append(delta.text)
            choice.logprobs.extend(delta.logprobs)
            if delta.prompt_logprobs is not None:
                choice.prompt_logprobs = delta.prompt_logprobs
            if delta.finish_reason is not None:
                choice.finish_reason = delta.finish_reason
            if delta.usage is not None:
                totals.add(delta.usage, index // (len(choices) // len(requests)))
    for choice in choices:
        choice.text = "".join(choice.pieces)
    return choices, totals


async def unless_gone(request: HttpRequest, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; ClientGone, with the work cancelled, when the client goes before it is there."""
    working = asyncio.create_task(work)
    gone = asyncio.create_task(wait_for_disconnect(request.receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


def text_size(turn: Turn) -> int:
    """Characters of its messages."""
    contents = [message.get("content") or "" for message in turn.messages]
    return sum(
        len(content) if isinstance(content, str) else sum(len(part["text"]) for part in content) for content in contents
    )


async def encode_off_loop(size: int, encode: Callable[[T], Prompt], value: T) -> Prompt:
    """Long texts are tokenized in a thread, so that running streams do not stall."""
    return encode(value) if size < LONG_TEXT else await asyncio.to_thread(encode, value)
