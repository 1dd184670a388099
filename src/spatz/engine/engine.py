"""The engine: requests go in from any event loop, deltas come out, one thread steps the model.

Sits between the server and the stepper. The step thread owns everything below; `submit` and `cancel` only leave a note
in the inbox, which is read between two steps, and the deltas of a step go back in one call per event loop. The core
releases the GIL while it computes. No HTTP, no messages, no templates here.

    engine = Engine(backend)
    engine.start()
    async with engine.submit(request) as stream:      # raises RequestError at once
        async for delta in stream: ...
    await engine.drain(30.0)
    engine.stop()
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from spatz.context.prefix import Tier
from spatz.engine.backend import Backend
from spatz.engine.guide import MaskThread
from spatz.engine.options import EngineOptions
from spatz.engine.plan import plan_request
from spatz.engine.request import Delta, Request
from spatz.engine.sequence import Group
from spatz.engine.stats import EngineStats, Listener
from spatz.engine.stepper import Item, Stepper
from spatz.engine.stream import Mailbox, Stream
from spatz.errors import ConfigError, OverloadedError

__all__ = ["Engine"]

_log = logging.getLogger(__name__)


class Engine:
    def __init__(
        self,
        backend: Backend,
        options: EngineOptions | None = None,
        listener: Listener | None = None,
        tiers: Sequence[Tier] = (),
    ) -> None:
        needed = -(-backend.context_length // backend.page_tokens)
        if backend.cache.max_pages < needed:
            raise ConfigError(
                f"the KV cache has {backend.cache.max_pages} pages of {backend.page_tokens} tokens, but one sequence "
                f"of {backend.context_length} tokens takes {needed}: give it more memory or lower the context length"
            )
        self.backend = backend
        self.options = options or EngineOptions()
        self._masks = MaskThread()
        self._stepper = Stepper(backend, self.options, listener, tiers, aside=self._masks)
        self._inbox: deque[Callable[[], list[Item]]] = deque()
        self._pending = [0, 0]  # submissions in the inbox, of each priority; guarded by _wake
        self._wake = threading.Condition()
        self._idle_waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._mailboxes: dict[asyncio.AbstractEventLoop, Mailbox] = {}
        self._thread: threading.Thread | None = None
        self._draining = False
        self._stopping = False

    # --- from any thread ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the step thread. Once."""
        if self._thread is not None:
            raise RuntimeError("the engine has been started before")
        # A daemon, so that an engine that nobody stops does not hang the interpreter's exit; atexit stops it in order.
        self._thread = threading.Thread(target=self._run, name="spatz-engine", daemon=True)
        atexit.register(self.stop)
        self._masks.start()
        self._thread.start()

    def plan(self, request: Request) -> Request:
        """Decide how the prompt is read and prepare it: for a long one what takes time, and needs no event loop.

        Raises as `submit` does, which does this itself for a request that has no plan.
        """
        planned = plan_request(request, self.backend)
        return replace(request, plan=planned, context=planned.mode)

    def submit(self, request: Request) -> Stream:
        """Check a request and queue it. Must be called in a running event loop, which will get the deltas.

        Raises RequestError for values out of range, ContextLengthError, and OverloadedError (429 when the queue is
        full, 503 when the engine is stopping).
        """
        stream = Stream(self._mailbox(), self._cancel)
        group = self._stepper.prepare(request, stream)
        stream.group = group
        with self._wake:
            if self._draining or self._stopping or self._thread is None:
                raise OverloadedError("The server is shutting down.", status=503, retry_after=5)
            waiting = self._stepper.scheduler.queued_of(request.priority) + self._pending[request.priority]
            if waiting >= self.options.max_waiting:
                raise OverloadedError(
                    f"The queue is full: {self.options.max_waiting} requests are waiting. Please try again later."
                )
            self._pending[request.priority] += 1
            self._inbox.append(lambda: self._accept(group))
            self._wake.notify()
        return stream

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        """`submit` as a generator: leaving it, or cancelling the task that reads it, cancels the request."""
        async with self.submit(request) as stream:
            async for delta in stream:
                yield delta

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109 (not an error when it passes)
        """Refuse new requests and wait for those under way. False: `timeout` seconds were not enough."""
        loop = asyncio.get_running_loop()
        idle: asyncio.Future[None] = loop.create_future()
        with self._wake:
            self._draining = True
            if self._thread is None or self._stopping:
                return not self._stepper.busy
            self._idle_waiters.append((loop, idle))
            self._wake.notify()
        try:
            async with asyncio.timeout(timeout):
                await idle
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """End the step thread within one step. Requests that are still under way get an OverloadedError (503)."""
        atexit.unregister(self.stop)
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._masks.stop()

    def stats(self) -> EngineStats:
        """A snapshot, taken without stopping the step thread: its figures may be of two neighbouring steps."""
        return self._stepper.stats()

    def check(self) -> None:
        """Integrity check, for tests and for debugging a stopped or drained engine: raises RuntimeError."""
        self._stepper.check()

    def _cancel(self, stream: Stream) -> None:
        with self._wake:
            self._inbox.append(lambda: self._stepper.cancel(stream.group))
            self._wake.notify()

    def _mailbox(self) -> Mailbox:
        loop = asyncio.get_running_loop()
        mailbox = self._mailboxes.get(loop)
        if mailbox is None:
            with self._wake:
                self._mailboxes = {known: box for known, box in self._mailboxes.items() if not known.is_closed()}
                mailbox = self._mailboxes.setdefault(loop, Mailbox(loop))
        return mailbox

    # --- in the step thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        stepper = self._stepper
        while self._await_work():
            items = self._read_inbox() if self._inbox else []
            items += stepper.step()
            if items:
                self._post(items)
        self._post(self._read_inbox())
        self._post(stepper.fail_all(OverloadedError("The server is shutting down.", status=503, retry_after=5)))
        self._tell_idle()

    def _await_work(self) -> bool:
        """Wait until there is something to do. False: the engine is stopping."""
        if self._stepper.busy and not self._stopping:
            return True
        with self._wake:
            while not (self._inbox or self._stepper.busy or self._stopping):
                self._tell_idle()
                self._wake.wait()
            return not self._stopping

    def _read_inbox(self) -> list[Item]:
        items: list[Item] = []
        while self._inbox:
            note = self._inbox.popleft()
            try:
                items += note()
            except Exception as error:  # whatever it is, the thread goes on: everybody else waits for it
                items += self._stepper.recover(error)
        return items

    def _accept(self, group: Group) -> list[Item]:
        with self._wake:
            self._pending[group.request.priority] -= 1
        return self._stepper.submit(group)

    def _post(self, items: list[Item]) -> None:
        """One call per event loop."""
        by_mailbox: dict[Mailbox, list[Item]] = {}
        for item in items:
            by_mailbox.setdefault(item[0].mailbox, []).append(item)
        for mailbox, own in by_mailbox.items():
            if not mailbox.post(own):
                for group in {stream.group for stream, _ in own}:
                    self._stepper.cancel(group)

    def _tell_idle(self) -> None:
        waiters, self._idle_waiters = self._idle_waiters, []
        for loop, idle in waiters:
            try:
                loop.call_soon_threadsafe(_resolve, idle)
            except RuntimeError:
                _log.debug("an event loop closed while it waited for the engine to drain")


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
