"""A served model without weights: tokens are bytes, and answers are what the test puts into its queue.

`answers` scripts whole answers; `hold()` gives a request that the test feeds by hand, to see what happens meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from spatz.context.areas import Area
from spatz.engine.request import (
    Constraint,
    ContextMode,
    ContextUse,
    Delta,
    FinishReason,
    Progress,
    Request,
    TokenLogprob,
    Tokens,
    Usage,
)
from spatz.engine.stats import EngineStats
from spatz.errors import ContextLengthError, OverloadedError, RequestError
from spatz.prompt.build import Prompt
from spatz.prompt.dialect import PLAIN, Dialect
from spatz.prompt.tool_grammar import CallsGrammar
from spatz.prompt.tool_messages import messages_for
from spatz.prompt.tools import shown_tools, wanted_form
from spatz.prompt.turn import OutputFormat, Turn
from spatz.server.tool_decision import ToolJudge

CONTEXT = 4096


def token_logprobs(text: str, top: int) -> tuple[TokenLogprob, ...]:
    best = tuple((token, bytes([token]), -0.5 - token / 100) for token in range(97, 97 + top))
    return tuple(TokenLogprob(byte, bytes([byte]), -0.25, best) for byte in text.encode())


class FakeStream:
    def __init__(self, model: FakeModel, request: Request) -> None:
        self.model = model
        self.request = request
        self.items: asyncio.Queue[Delta | Exception | None] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.sent_tokens = 0
        self.read: set[int] = set()
        """Choices whose end has been read."""
        self.on_usage: Callable[[Usage], None] | None = None
        self.progress: Progress | None = None

    def put(self, text: str, index: int = 0, finish: FinishReason | None = None, last: bool = False) -> None:
        params = self.request.params
        tokens = tuple(text.encode())
        self.sent_tokens += len(tokens)
        scores = token_logprobs(text, params.logprobs) if params.logprobs is not None else ()
        usage = self._usage() if last else None
        self.items.put_nowait(Delta(index, text, tokens, scores, None, finish, usage))

    def play(self, words: Sequence[str]) -> None:
        """A whole answer, the same for every choice."""
        params = self.request.params
        limit = params.max_tokens
        if params.prompt_logprobs is not None:
            text = bytes(self.request.prompt[1:]).decode("utf-8", "replace")
            self.items.put_nowait(Delta(0, prompt_logprobs=token_logprobs(text, params.prompt_logprobs)))
        for index in range(params.n):
            sent = 0
            reason = FinishReason.STOP
            for word in words:
                if limit is not None and sent + len(word) > limit:
                    self.put(word[: limit - sent], index)
                    reason = FinishReason.LENGTH
                    break
                self.put(word, index)
                sent += len(word)
            self.put("", index, reason, last=index == params.n - 1)
        self.items.put_nowait(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        item = await self.items.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            self.on_usage = None
            raise item
        if item.usage is not None:
            self._tell(item.usage)
        if item.finish_reason is not None:
            self.read.add(item.index)
        return item

    def _tell(self, usage: Usage) -> None:
        told, self.on_usage = self.on_usage, None
        if told is not None:
            told(usage)

    def cancel(self) -> None:
        """What was scripted is not said; a request that is fed by hand ends as well."""
        while not self.items.empty():
            self.items.get_nowait()
        open_choices = [index for index in range(self.request.params.n) if index not in self.read]
        for index in open_choices:
            self.put("", index, FinishReason.ABORT, last=index == open_choices[-1])
        self.items.put_nowait(None)

    def _usage(self) -> Usage:
        blocks, spans = self.model.read
        use = ContextUse(self.request.context)
        if use.mode is not ContextMode.EXACT:
            use = ContextUse(use.mode, blocks, spans)
        return Usage(len(self.request.prompt), self.sent_tokens, 0, use)

    async def aclose(self) -> None:
        self._tell(self._usage())
        self.closed.set()
        self.model.open.discard(self)


class FakeConstraint:
    """Says what was asked for. Answers are scripted: nothing is constrained."""

    def __init__(self, wanted: OutputFormat | CallsGrammar) -> None:
        self.wanted = wanted

    def __call__(self) -> Constraint:
        raise AssertionError("nothing runs here")


def _prompt(data: bytes) -> Prompt:
    """Bytes as tokens, of which `bytes` makes the same again."""
    return Prompt(np.frombuffer(data, np.uint8), (Area(0, len(data)),))  # type: ignore[arg-type]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content or ())


def _documents(messages: Sequence[dict[str, Any]], prompt: bytes) -> Iterator[Area]:
    """Where what was read of images and files stands."""
    at = 0
    for message in messages:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part.get("source") is not None:
                text = part["text"].encode()
                at = prompt.index(text, at)
                yield Area(at, at + len(text), "document", message["role"], part["source"])


class FakeModel:
    """What was asked is kept in `requests` and `chats`."""

    name = "fake-model"
    created = 1_700_000_000
    fingerprint = "fp_fake"
    context_length = CONTEXT
    tiling = None
    context_limit = CONTEXT  # where a test sets more, this is a model that can route

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.planned: list[bool] = []
        """Of each request that was planned: whether in the event loop's thread."""
        self.read: tuple[int, tuple[tuple[int, int], ...]] = (0, ())
        """Blocks and spans that are told of prompts that are not read exactly."""
        self.chats: list[Sequence[dict[str, str]]] = []
        self.turns: list[Turn] = []
        self.dialect: Dialect = PLAIN
        self.likely: Callable[[str, str], float] = lambda prompt, text: -1.0 if "N/A" in prompt else -100.0
        """(prompt, text) -> log-probability of each of the text's tokens. By default nothing calls for a tool."""
        self.judge = ToolJudge(self)
        self.streams: asyncio.Queue[FakeStream] = asyncio.Queue()
        self.open: set[FakeStream] = set()
        self.answers: deque[Sequence[str] | Exception] = deque()
        self.held = False
        self.draining = False

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> Prompt:
        self.chats.append(messages)
        return _prompt("".join(f"{m['role']}:{m['content']}\n" for m in messages).encode())

    def encode_turn(self, turn: Turn) -> Prompt:
        self.turns.append(turn)
        messages = messages_for(turn.messages, shown_tools(turn, self.dialect), self.dialect)
        prompt = self.encode_chat([{**m, "content": _text(m["content"])} for m in messages])
        return replace(prompt, areas=(*prompt.areas, *_documents(messages, bytes(prompt.tokens))))

    async def constrain(self, turn: Turn, source: str) -> Callable[[], Constraint] | None:
        wanted = wanted_form(turn, self.dialect, ())
        return None if wanted is None else FakeConstraint(wanted)

    def encode(self, text: str) -> Prompt:
        return _prompt(text.encode())

    def token_bytes(self, token: int) -> bytes:
        if token > 255:
            raise RequestError(f"Invalid 'prompt': {token} is not a token id.", param="prompt", code="invalid_value")
        return bytes([token])

    async def logprobs(self, prompt: Tokens | str, text: str, request: Request) -> Sequence[float]:
        return [self.likely(prompt if isinstance(prompt, str) else bytes(prompt).decode(), text)] * len(text)

    def plan(self, request: Request) -> Request:
        """Long prompts are routed, where the model can; of those of a skimmed one all is read."""
        self.planned.append(threading.current_thread() is threading.main_thread())
        size = len(request.prompt)
        mode = request.context
        if mode is ContextMode.AUTO:
            fits = size + (request.params.max_tokens or 0) <= self.context_length
            mode = ContextMode.EXACT if fits or self.context_limit <= self.context_length else ContextMode.ROUTED
        limit = self.context_length if mode is ContextMode.EXACT else self.context_limit
        if size > limit:
            raise ContextLengthError(
                f"This model's maximum context length is {limit} tokens. However, your {request.source} resulted in "
                f"{size} tokens.",
                param=request.source,
            )
        return replace(request, context=mode)

    def submit(self, request: Request) -> FakeStream:
        if self.draining:
            raise OverloadedError("The server is shutting down.", status=503)
        assert request.context is not ContextMode.AUTO, "it was not planned"
        self.requests.append(request)
        stream = FakeStream(self, request)
        self.open.add(stream)
        self.streams.put_nowait(stream)
        if not self.held:
            answer = self.answers.popleft() if self.answers else ("Hello", " ", "wörld")
            if isinstance(answer, Exception):
                stream.items.put_nowait(answer)
            else:
                stream.play(answer)
        return stream

    async def drain(self, seconds: float) -> None:
        self.draining = True
        try:
            async with asyncio.timeout(seconds):
                for stream in list(self.open):
                    await stream.closed.wait()
        except TimeoutError:
            for stream in self.open:
                stream.items.put_nowait(OverloadedError("The server is shutting down.", status=503))

    def stats(self) -> EngineStats:
        return EngineStats(1, 2, 3, 100, 10, 5, 4096, 7, 11, 13, 17, 0, 0, prefill_done=19, prefill_total=23)
