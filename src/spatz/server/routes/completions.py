"""POST /v1/completions, the legacy endpoint: the prompt is continued as it is, without a chat template."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from spatz.context.areas import Area
from spatz.engine.request import FinishReason, TokenLogprob, Tokens
from spatz.engine.request import Request as EngineRequest
from spatz.prompt.build import Prompt
from spatz.server.completion_answer import (
    LogprobLists,
    best_choices,
    choice_body,
    completion,
    completion_chunk,
    join,
)
from spatz.server.completion_request import CompletionRequest
from spatz.server.context import context_mode
from spatz.server.gate import identify, request_id
from spatz.server.generate import ClientGone, Totals, encode_off_loop, gather, stream, unless_gone
from spatz.server.json_response import JsonResponse
from spatz.server.meter import Meter
from spatz.server.problems import parse_body, validate
from spatz.server.sse import DONE, EventStream, event
from spatz.server.state import State, sampling, state_of

__all__ = ["router"]

router = APIRouter()

DEFAULT_MAX_TOKENS = 16  # the API's


@router.post("/v1/completions")
async def create_completion(request: Request) -> Response:
    state = state_of(request)
    body = validate(CompletionRequest, parse_body(await request.body()))
    state.check_model(body.model)
    identify(request, user=body.user)
    meter = state.meter(request)
    prompts = body.prompts()
    n = 1 if body.n is None else body.n
    made = max(n, body.best_of or n)
    max_tokens = DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens
    params = sampling(
        body,
        state.default_temperature,
        n=made,
        max_tokens=max_tokens,
        # Choices are ranked by their log-probabilities, whether or not the client wants to see them.
        logprobs=(body.logprobs or 0) if body.logprobs is not None or made > n else None,
        # A request for no tokens is one for the prompt's scores.
        prompt_logprobs=(body.logprobs or 0) if body.echo and (body.logprobs is not None or not max_tokens) else None,
    )
    work = [
        EngineRequest(
            prompt=encoded.tokens,
            params=params,
            request_id=request_id(request),
            source="prompt",
            priority=meter.caller.priority,
            context=context_mode(body.spatz, state.settings.context),
            areas=encoded.areas,
            owner=meter.caller.owner,
        )
        for encoded in [await _encode(state, prompt) for prompt in prompts]
    ]
    echoes = [Echo(state, body, prompt, item.prompt) for prompt, item in zip(prompts, work, strict=True)]
    if body.stream:
        return EventStream(_chunks(state, body, work, echoes, meter), state.heartbeat)
    try:
        choices, totals = await unless_gone(request, gather(state.model, work, meter))
    except ClientGone:
        return Response(status_code=499)
    best = best_choices(choices, made, n) if made > n else choices
    bodies = []
    for index, choice in enumerate(best):
        echo = echoes[index // n]
        lists = echo.lists()
        parts = [] if lists is None else [*echo.scores(lists, choices[index // n * made].prompt_logprobs)]
        if lists is not None:
            parts.append(lists.scored(choice.logprobs))
        logprobs = None if lists is None else join(parts)
        bodies.append(choice_body(index, echo.text + choice.text, logprobs, choice.finish_reason))
    return JsonResponse(completion(state.head("cmpl-"), bodies, totals))


async def _encode(state: State, prompt: str | list[int]) -> Prompt:
    if isinstance(prompt, str):
        return await encode_off_loop(len(prompt), state.model.encode, prompt)
    return Prompt(np.array(prompt, np.int32), (Area(0, len(prompt)),))


class Echo:
    """What `echo` and `logprobs` put before an answer: nothing, the prompt's text, its tokens' scores."""

    def __init__(self, state: State, body: CompletionRequest, prompt: str | list[int], tokens: Tokens) -> None:
        self._top = body.logprobs
        self._echo = bool(body.echo)
        self._first = state.model.token_bytes(int(tokens[0])) if self._echo and len(tokens) else b""
        if not self._echo:
            self.text = ""
        elif isinstance(prompt, str):
            self.text = prompt
        else:
            self.text = b"".join(state.model.token_bytes(token) for token in prompt).decode("utf-8", "replace")

    def lists(self) -> LogprobLists | None:
        return None if self._top is None else LogprobLists(self._top)

    def scores(self, lists: LogprobLists, found: Sequence[TokenLogprob] | None) -> list[dict[str, Any]]:
        """The prompt's tokens: the first has no score, the others have theirs."""
        return [lists.unscored(self._first), lists.scored(found or ())] if self._echo else []


async def _chunks(
    state: State, body: CompletionRequest, work: Sequence[EngineRequest], echoes: Sequence[Echo], meter: Meter
) -> AsyncGenerator[bytes, None]:
    head = state.head("cmpl-")
    n = work[0].params.n
    lists = [echoes[index // n].lists() for index in range(len(work) * n)]
    begun = [False] * len(lists)
    prompt_scores: dict[int, Sequence[TokenLogprob]] = {}
    totals = Totals()

    def chunk(index: int, text: str, logprobs: dict[str, Any] | None, reason: FinishReason | None) -> bytes:
        choice = choice_body(index, text, logprobs, reason)
        return event(completion_chunk(head, [choice], include_usage=body.include_usage))

    async with aclosing(stream(state.model, work, meter)) as deltas:
        async for index, delta in deltas:
            echo, own = echoes[index // n], lists[index]
            parts: list[dict[str, Any]] = []
            text = delta.text
            if delta.prompt_logprobs is not None:
                prompt_scores[index // n] = delta.prompt_logprobs
            if not begun[index]:
                begun[index] = True
                text = echo.text + text
                if own is not None:
                    parts += echo.scores(own, prompt_scores.get(index // n))
            if own is not None and delta.logprobs:
                parts.append(own.scored(delta.logprobs))
            if delta.usage is not None:
                totals.add(delta.usage, index // n)
            if text or parts or delta.finish_reason is not None:
                yield chunk(index, text, join(parts) or None, delta.finish_reason)
    usage = b""
    if body.include_usage:
        usage = event(completion_chunk(head, [], include_usage=True, totals=totals))
    yield usage + DONE
