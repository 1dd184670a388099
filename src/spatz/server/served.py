"""The model as the routes see it, and no more of it than they use: tests stand a queue-driven one in for it.

local.py makes one of a loaded model and the engine of this process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from spatz.engine.request import Constraint, Delta, Progress, Request, Tokens, Usage
from spatz.engine.stats import EngineStats
from spatz.inputs.cut import Tiling
from spatz.prompt.build import Prompt
from spatz.prompt.dialect import Dialect
from spatz.prompt.turn import Message, Turn
from spatz.server.tool_decision import ToolJudge

if TYPE_CHECKING:
    from spatz.prompt.grammar import Grammars  # it imports what `spatz run` can do without

__all__ = ["DeltaStream", "Message", "ServedModel"]


class DeltaStream(Protocol):
    """The answer to one request. Closing it frees the request's slot within one step."""

    # Told once, in the event loop, when the request has ended, also when nobody reads on; not told of a failed one.
    on_usage: Callable[[Usage], None] | None

    @property
    def progress(self) -> Progress | None:
        """How far the prompt has been run; None while that is not known."""

    def __aiter__(self) -> AsyncIterator[Delta]: ...
    async def __anext__(self) -> Delta: ...

    def cancel(self) -> None:
        """End what is still written within one step. Its last deltas, with the usage, still arrive."""

    async def aclose(self) -> None: ...


class ServedModel(Protocol):
    @property
    def name(self) -> str:
        """The model's own name, which answers carry."""

    @property
    def created(self) -> int:
        """Unix time of the weights."""

    @property
    def fingerprint(self) -> str:
        """Names weights and format."""

    @property
    def context_length(self) -> int:
        """The most tokens of a prompt and its answer together, where the prompt is read exactly."""

    @property
    def context_limit(self) -> int:
        """The same where it is routed or skimmed; not more than `context_length` where the model cannot do that."""

    @property
    def tiling(self) -> Tiling | None:
        """How images are cut for a model that is given them; None: it is told what can be read in them."""

    @property
    def grammars(self) -> Grammars:
        """Makes constraints out of formats."""

    def encode_chat(self, messages: Sequence[Message]) -> Prompt:
        """Messages through the chat template, ready for the answer."""

    @property
    def dialect(self) -> Dialect:
        """How the model writes tool calls."""

    def encode_turn(self, turn: Turn) -> Prompt:
        """The same with the turn's tools, and with calls and results among the messages."""

    async def constrain(self, turn: Turn, source: str) -> Callable[[], Constraint] | None:
        """What the turn's format and tools hold the answer to; None: it is free text. Raises RequestError, which names
        a parameter of chat ("messages") or of Responses ("input"), for what cannot be compiled.
        """

    def encode(self, text: str) -> Prompt: ...

    def token_bytes(self, token: int) -> bytes:
        """Raises RequestError for an id that is not the model's."""

    async def logprobs(self, prompt: Tokens | str, text: str, request: Request) -> Sequence[float]:
        """Of the text's tokens, said after the prompt. request: for whom it is asked. Cancelling it frees its slot."""

    @property
    def judge(self) -> ToolJudge:
        """Decides between text and calls for a model that does not do it itself."""

    def plan(self, request: Request) -> Request:
        """Decide how the prompt is read, and prepare it. For any thread: a long one takes its time.

        Raises RequestError, as submit does. What was planned is submitted as it is.
        """

    def submit(self, request: Request) -> DeltaStream:
        """Raises RequestError at once for what cannot be served."""

    async def drain(self, seconds: float) -> None:
        """Refuse new requests; return when the running ones have ended. After that many seconds they are failed."""

    def stats(self) -> EngineStats: ...
