"""Short requests, one a second up to a hundred, beside something long: how long each waits for its first token.

The next is sent in time whether or not those before it have their answers, as people do who know nothing of each other;
one that waited for an answer would always come at the same moment of the engine's step.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType

from spatz.bench.client import Client
from spatz.errors import SpatzError

__all__ = ["Guests", "percentile"]

ANSWER_TOKENS = 16
EVERY_SECONDS = 1.0
MOST = 100  # requests; what is beside them for longer goes on alone
AT_ONCE = 16  # where so many have no answer yet, one is not sent


class Guests:
    """Asks until the block ends. An answer that fails is raised there."""

    def __init__(self, connect: Callable[[], Client], prompt: Callable[[], str]) -> None:
        """prompt: another text with each call."""
        self._connect = connect
        self._prompt = prompt
        self._stop = threading.Event()
        self._pacer = threading.Thread(target=self._pace, name="bench-guests", daemon=True)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="bench-guest")
        self._turn = threading.Lock()
        self._asking: list[Client] = []
        self._left = False
        self._failed: SpatzError | None = None
        self.seconds: list[float] = []  # to the first token, of each that was answered

    def __enter__(self) -> Guests:
        self._pacer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pacer.join()
        if error is not None:
            with self._turn:
                self._left = True
                for client in self._asking:
                    client.leave()  # nobody wants to know any more
        self._pool.shutdown(cancel_futures=error is not None)
        self.close()
        if error is None and self._failed is not None:
            raise SpatzError(f"a short request failed beside the long one: {self._failed}")

    def close(self) -> None:
        """After what is under way has been answered."""
        self._pool.shutdown()

    def once(self) -> float:
        return self._ask(self._prompt())

    def _pace(self) -> None:
        due = time.perf_counter()
        sent = 0
        while sent < MOST and not self._stop.wait(max(0.0, due - time.perf_counter())):
            due = max(due + EVERY_SECONDS, time.perf_counter())
            if self._failed is not None:
                return
            with self._turn:
                crowded = len(self._asking) >= AT_ONCE
            if not crowded:
                sent += 1
                self._pool.submit(self._answered, self._prompt())

    def _answered(self, text: str) -> None:
        try:
            seconds = self._ask(text)
        except SpatzError as error:
            self._failed = error
        else:
            self.seconds.append(seconds)

    def _ask(self, text: str) -> float:
        with self._client() as client:
            return client.ask([{"role": "user", "content": text}], ANSWER_TOKENS, ignore_eos=True).first_s

    @contextmanager
    def _client(self) -> Iterator[Client]:
        """A connection for one request: a kept one may just be closed by the server when it is used again."""
        client = self._connect()
        with self._turn:
            if self._left:
                client.leave()  # it had no client yet when all others left
            self._asking.append(client)
        try:
            yield client
        finally:
            with self._turn:
                self._asking.remove(client)
            client.close()


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that so many percent of all are not above."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]
