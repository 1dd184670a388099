"""One choice's constraint beside its sampler: which tokens may come next, and which must.

Sits between the stepper, which tells it what was said, and the grammar (prompt/grammar.py), which it walks. What must
come next is asked for at once, because it is the next step's input. The mask of allowed tokens is made while the model
runs, and the sampler waits for it only where it is late. A constraint that fails leaves its error here and no
token to its sampler: the request ends, and nobody is answered without the constraint.

Forced tokens are not sampled. Where their log-probabilities are wanted they are, one by one with nothing else allowed,
which gives the same answer: they count as draws either way.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np

from spatz.engine.request import Constraint

__all__ = ["Guide", "Job", "MaskThread"]

Job = Callable[[], None]
"""The making of a mask. Does not raise."""


class MaskThread:
    """Masks are made here while the model runs, one after another: each takes microseconds."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Sequence[Job] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="spatz-masks", daemon=True)
        self._thread.start()

    def __call__(self, jobs: Sequence[Job]) -> None:
        self._jobs.put(jobs)

    def stop(self) -> None:
        """Return when all that was asked for is done."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join()

    def _run(self) -> None:
        while (jobs := self._jobs.get()) is not None:
            for job in jobs:
                job()


class Guide:
    """Owned by the step thread, but for the jobs that it gives to `later`: one at a time for each guide."""

    def __init__(
        self,
        make: Callable[[], Constraint],
        sampler: Any,
        rows: int,
        ends: frozenset[int],
        *,
        skips: bool,
        later: Callable[[Job], None],
    ) -> None:
        """rows: logits per token. ends: end-of-turn tokens. skips: do not sample forced tokens. later: takes a job."""
        self.error: BaseException | None = None
        self._make = make
        self._constraint: Constraint | None = None
        self._sampler = sampler
        self._mask = np.zeros(-(-rows // 32), np.uint32)
        self._ends = ends
        self._skips = skips
        self._later = later
        self._forced: deque[int] = deque()  # accepted by the constraint, but to be sampled

    def begin(self) -> None:
        """Make the constraint and its first mask."""
        self._sampler.expect_mask()
        self._later(self._fill)

    def said(self, token: int, room: int) -> Sequence[int]:
        """A token was sampled that does not end the answer: what follows it without being sampled, at most `room`.

        It may end with an end-of-turn token. Raises what the constraint raises.
        """
        if self._forced:
            self._forced.popleft()
            return ()
        assert self._constraint is not None
        self._constraint.accept((token,))
        forced = self._gather(room)
        if self._skips:
            return forced
        self._forced.extend(forced)
        return ()

    def prepare(self, skipped: Sequence[int]) -> None:
        """Make the mask of the token that comes after those that `said` gave."""
        if skipped:
            self._sampler.observe_output(np.array(skipped, np.int32))
        if self._forced:
            self._mask[:] = 0
            token = self._forced[0]
            self._mask[token // 32] = 1 << token % 32
            self._sampler.set_mask(self._mask)
            return
        self._sampler.expect_mask()
        self._later(self._fill)

    def _gather(self, room: int) -> list[int]:
        """All that is forced from here on, accepted, but for an end-of-turn token and what there is no room for."""
        constraint = self._constraint
        assert constraint is not None
        found: list[int] = []
        while len(found) < room and (forced := constraint.forced()):
            if not self._ends.isdisjoint(forced):
                end = next(index for index, token in enumerate(forced) if token in self._ends)
                return [*found, *forced[: end + 1]]
            constraint.accept(forced)
            found += forced
        return found[:room]

    def _fill(self) -> None:
        try:
            if self._constraint is None:
                self._constraint = self._make()
            self._constraint.mask(self._mask)
            self._sampler.set_mask(self._mask)
        except BaseException as error:  # the library's panics are no Exceptions, and the sampler waits
            self.error = error
            self._sampler.fail_mask()
