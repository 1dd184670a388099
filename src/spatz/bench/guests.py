"""Short requests, one a second, beside something long: how long each waits for its first token."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from types import TracebackType

from spatz.bench.client import Client
from spatz.errors import SpatzError

__all__ = ["Guests", "percentile"]

ANSWER_TOKENS = 16
EVERY_SECONDS = 1.0  # from one to the next; one that takes longer delays it


class Guests:
    """Asks until the block ends. An answer that fails is raised there."""

    def __init__(self, client: Client, prompt: Callable[[], str]) -> None:
        """prompt: another text with each call."""
        self._client = client
        self._prompt = prompt
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="bench-guests", daemon=True)
        self._failed: SpatzError | None = None
        self.seconds: list[float] = []  # to the first token, of each that was answered

    def __enter__(self) -> Guests:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if error is not None:
            self._client.leave()  # nobody wants to know any more
        self._thread.join()
        if error is None and self._failed is not None:
            raise SpatzError(f"a short request failed beside the long one: {self._failed}")

    def once(self) -> float:
        messages = [{"role": "user", "content": self._prompt()}]
        return self._client.ask(messages, ANSWER_TOKENS, ignore_eos=True).first_s

    def _ask(self) -> None:
        due = time.perf_counter()
        while not self._stop.wait(max(0.0, due - time.perf_counter())):
            due = max(due, time.perf_counter()) + EVERY_SECONDS
            try:
                self.seconds.append(self.once())
            except SpatzError as error:
                self._failed = error
                return


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that so many percent of all are not above."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]
