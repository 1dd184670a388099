"""One response from its request to its end: past and turn are put together, it is answered, and what came is kept.

`begin` finds out all that can be wrong with a request; `run` gives the events. Who reads them makes the difference: a
route (whole or streamed, the client's going ends it), or the background (responses_background.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from spatz.engine.request import ContextMode, SamplingParams
from spatz.errors import RequestError
from spatz.prompt.documents import parts_of
from spatz.prompt.turn import Turn
from spatz.server.answer import Work, answer, prepare
from spatz.server.caller import Caller
from spatz.server.context import context_limit, context_mode
from spatz.server.input_parts import read_parts
from spatz.server.meter import Meter
from spatz.server.responses_answer import Response, dump, new_response
from spatz.server.responses_fit import fit, too_long
from spatz.server.responses_history import Past, find_past
from spatz.server.responses_items import Item
from spatz.server.responses_kept import PREFIXES, new_id
from spatz.server.responses_request import InputTokensRequest, ResponseRequest
from spatz.server.responses_stream import ResponseWriter
from spatz.server.room import check_room
from spatz.server.state import State
from spatz.store import conversations, responses
from spatz.store.responses import Stored, StoredItem

__all__ = ["DAY", "Job", "append_items", "begin", "expiry", "keep", "naming_input", "run", "stored_items", "turn_of"]

DAY = 86_400

logger = logging.getLogger("spatz.server")


@dataclass(slots=True)
class Job:
    """Without what the prompt was made of, which may be much larger than what fits into it."""

    state: State
    meter: Meter
    body: ResponseRequest  # but for its input
    own: list[Item]  # the request's items, to be stored
    depth: int  # in the chain of responses
    response: Response
    work: Work | None  # None: it is made when it is its turn
    make: Callable[[], Awaitable[Work]]  # it holds the input until it has been called

    async def ready(self) -> Work:
        """Raises RequestError for images and files that cannot be read, and for a prompt that is too long."""
        if self.work is None:
            self.work = await self.make()
            self.make = _made
        return self.work

    def writer(self) -> ResponseWriter:
        body = self.body
        return ResponseWriter(
            self.response, logprobs=body.logprobs, obfuscate=body.obfuscate, include=body.include or ()
        )


@contextmanager
def naming_input() -> Iterator[None]:
    """The prompt's renderer knows messages; this API's clients sent input."""
    try:
        yield
    except RequestError as error:
        if error.param is not None and error.param.startswith("messages"):
            error.param = "input"
        raise


async def begin(state: State, meter: Meter, body: ResponseRequest, request_id: str) -> Job:
    """Raises RequestError for everything that is known to be wrong before anything runs. Only what is wrong with images
    and files of a response in the background is known later: it is queued at once, and reading them takes its time.
    """
    if body.is_stored or body.conversation_id is not None:
        await check_room(state)
    past = await find_past(state, meter.caller, body)
    if body.conversation_id is not None and len(past.items) + len(past.own) >= conversations.MAX_ITEMS:
        raise _full(body.conversation_id)
    params = SamplingParams(
        max_tokens=body.max_output_tokens,
        temperature=state.default_temperature if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        logprobs=body.logprobs,
    )
    mode = context_mode(body.spatz, state.settings.context)

    async def make() -> Work:
        with naming_input():
            turn = await turn_of(state, meter.caller, body, past, mode)
            work = await prepare(
                state.model,
                turn,
                params,
                request_id=request_id,
                source="input",
                meter=meter,
                context=mode,
                web=state.web,
            )
        size, limit = len(work.request.prompt), context_limit(state.model, mode)
        if size + (body.max_output_tokens or 1) > limit:
            raise too_long(limit, size, body.max_output_tokens)
        return work

    later = bool(body.background) and bool(parts_of(body.turn(past.all).messages))
    work = None if later else await make()
    response = new_response(body, state.model.name, state.default_temperature)
    kept = body.model_copy(update={"input": None})
    return Job(state, meter, kept, past.own, past.depth + 1, response, work, make if later else _made)


async def _made() -> Work:
    raise AssertionError("it has been made")


async def turn_of(
    state: State, caller: Caller, body: ResponseRequest | InputTokensRequest, past: Past, mode: ContextMode
) -> Turn:
    """All items as a turn, with what is read of their images and files."""
    places = past.places()
    whole = body.turn(past.all, places)
    readings = await read_parts(state, caller, parts_of(whole.messages))
    if body.truncation != "auto":
        return readings.put(whole)
    return await fit(state.model, body, past.all, mode, lambda items: readings.put(body.turn(items, places)))


async def run(
    job: Job, writer: ResponseWriter, first: bytes, finish: Callable[[bytes], Awaitable[None]], *, whole: bool = False
) -> AsyncGenerator[bytes, None]:
    """The events. first: those that stand before; they go out with the answer's first, and an error before that is
    raised. Later errors, or without `first` all of them, are told as events; for a whole answer all are raised.
    finish: is told the last events, before they go out.
    """
    begun = not first
    try:
        work = await job.ready()
        async with aclosing(answer(job.state.model, work.turn, work, job.meter)) as events:
            async for event in events:
                data = writer.take(event)
                if not begun:
                    data, begun = first + data, True
                if data:
                    yield data
        last = writer.end()
        await finish(last)
    except RequestError as error:
        if whole or not begun:
            raise
        last = await _failed(writer, error, finish)
    except Exception:
        if whole or not begun:
            raise
        logger.exception("a response broke off")
        broken = RequestError("The server had an error while processing your request.", status=500, type="server_error")
        last = await _failed(writer, broken, finish)
    yield last


async def _failed(writer: ResponseWriter, error: RequestError, finish: Callable[[bytes], Awaitable[None]]) -> bytes:
    last = writer.fail(error)
    try:
        await finish(last)
    except RequestError:  # the storage, which may be why it failed
        logger.warning("response %s failed and could not be stored", writer.response["id"])
    return last


async def keep(job: Job, events: bytes | None = None) -> None:
    """Stores what has ended: a new response, or the rest of one that was stored when it was queued."""
    body, response, owner = job.body, job.response, job.meter.caller.owner
    now = int(time.time())
    expires_at = expiry(job.state)
    talk = body.conversation_id if response["status"] in ("completed", "incomplete") else None
    if not body.is_stored and talk is None:
        return

    def work(connection: Connection) -> None:
        row = Stored(response["id"], response["status"], dump(response))
        output = stored_items(response["output"])
        if body.background:
            if not responses.finish(connection, row, output, events):
                return
        elif body.is_stored:
            responses.add(
                connection,
                owner,
                row,
                stored_items(job.own),
                output,
                expires_at=expires_at,
                previous=body.previous_response_id,
                depth=job.depth,
            )
        if talk is not None:
            append_items(connection, owner, talk, now, job.own + response["output"], expires_at=expires_at)

    await job.state.database.run(work)


def append_items(
    connection: Connection, owner: str, conversation: str, now: int, items: list[Item], *, expires_at: int
) -> list[Item] | None:
    """The items as they are kept: one whose id the conversation has already gets another. None: it is not there."""
    taken = conversations.known(connection, conversation, [item["id"] for item in items])
    kept = []
    for item in items:
        if item["id"] in taken:
            item = {**item, "id": new_id(PREFIXES[item["type"]])}
        taken.add(item["id"])
        kept.append(item)
    try:
        found = conversations.append(connection, owner, conversation, now, stored_items(kept), expires_at=expires_at)
    except conversations.TooManyItems:
        raise _full(conversation) from None
    return kept if found else None


def stored_items(items: list[Item]) -> list[StoredItem]:
    return [StoredItem(item["id"], dump(item)) for item in items]


def expiry(state: State) -> int:
    return int(time.time()) + state.settings.response_days * DAY


def _full(conversation: str) -> RequestError:
    return RequestError(
        f"The conversation '{conversation}' is full: it can have at most {conversations.MAX_ITEMS} items.",
        param="conversation",
        code="invalid_value",
    )
