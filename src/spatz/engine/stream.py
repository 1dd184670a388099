"""From the step thread to the consumers: deltas cross into an event loop once per step, not once per token.

A `Mailbox` belongs to one event loop and carries the items of all streams that are read there; a `Stream` is one
request's answer as an async iterator. What a slow consumer has not read yet is merged, so that it never takes more room
than the answer itself. Neither knows what the engine does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from spatz.engine.request import Delta, Progress, Usage
from spatz.errors import RequestError

__all__ = ["Mailbox", "Stream"]

_MERGE_AT = 512  # unread deltas


class Mailbox:
    """Items on their way into one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._items: deque[tuple[Stream, Delta | RequestError]] = deque()
        self._scheduled = False

    def post(self, items: list[tuple[Stream, Delta | RequestError]]) -> bool:
        """Called in the step thread. False: the loop is closed and nobody will ever read."""
        self._items.extend(items)
        if self._scheduled:  # the loop is behind; the call that is under way takes these too
            return True
        self._scheduled = True
        try:
            self.loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            self._items.clear()
            return False
        return True

    def _deliver(self) -> None:
        self._scheduled = False  # before reading: whoever posts from here on calls again
        items = self._items
        while items:
            stream, item = items.popleft()
            stream.put(item)


class Stream(AsyncIterator[Delta]):
    """The deltas of one request, in order, until the one with `usage`; or the error that ended it.

    Use it in `async with`, or call `aclose`: leaving it, or being cancelled while waiting for the next delta, cancels
    the request. `cancel` alone lets the consumer read on to the last deltas, which say "abort".
    """

    def __init__(self, mailbox: Mailbox, cancel: Callable[[Stream], None]) -> None:
        self.mailbox = mailbox
        self.group: Any = None  # the engine's handle
        self.on_usage: Callable[[Usage], None] | None = None  # told at the end, also when nobody reads on
        self._cancel = cancel
        self._unread: deque[Delta] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: RequestError | None = None
        self._ended = False  # nothing more will be put

    @property
    def progress(self) -> Progress | None:
        """How far the prompt has been run; None before it is known."""
        return None if self.group is None else self.group.progress

    def put(self, item: Delta | RequestError) -> None:
        """Called in the event loop."""
        if self.on_usage is not None and isinstance(item, Delta) and item.usage is not None:
            self.on_usage(item.usage)
        if self._ended:
            return
        if isinstance(item, RequestError):
            self._error = item
            self._ended = True
        else:
            self._unread.append(item)
            self._ended = item.usage is not None
            if len(self._unread) % _MERGE_AT == 0:
                self._unread = deque(_merge(self._unread))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def __anext__(self) -> Delta:
        while not self._unread:
            if self._ended:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                raise StopAsyncIteration
            if self._waiter is not None:
                raise RuntimeError("a stream has one consumer")
            self._waiter = self.mailbox.loop.create_future()
            try:
                await self._waiter
            except asyncio.CancelledError:
                self.close()
                raise
            finally:
                self._waiter = None
        return self._unread.popleft()

    def cancel(self) -> None:
        """Stop the request within one step. Its last deltas still arrive."""
        if not self._ended:
            self._cancel(self)

    def close(self) -> None:
        """Stop the request within one step; nobody reads on."""
        self.cancel()
        self._ended = True
        self._unread.clear()

    async def aclose(self) -> None:
        self.close()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()


def _merge(deltas: deque[Delta]) -> list[Delta]:
    """One delta per choice, in the order of their last ones, so that `usage` stays at the end."""
    choices: dict[int, list[Delta]] = {}
    for delta in deltas:
        parts = choices.pop(delta.index, [])
        parts.append(delta)
        choices[delta.index] = parts
    return [
        Delta(
            index,
            "".join(part.text for part in parts),
            tuple(token for part in parts for token in part.tokens),
            tuple(logprob for part in parts for logprob in part.logprobs),
            next((part.prompt_logprobs for part in parts if part.prompt_logprobs is not None), None),
            parts[-1].finish_reason,
            parts[-1].usage,
        )
        for index, parts in choices.items()
    ]
