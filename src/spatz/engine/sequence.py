"""One choice of one request as the scheduler sees it: known tokens, and how many of them are in the KV cache.

A sequence is in prefill while more than one known token is missing from the cache, and decodes when it is exactly one;
after a preemption it is simply in prefill again, with its answer so far as part of what is known. A `Group` is the
request that its choices share. Text, stop strings and deltas are in output.py.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatz.context.prefix import chain
from spatz.context.ranges import joined
from spatz.engine.request import ContextUse, Priority, Progress, Request, TokenLogprob

if TYPE_CHECKING:
    from spatz.context.routed import RoutedText
    from spatz.engine.guide import Guide
    from spatz.engine.output import ChoiceOutput
    from spatz.engine.plan import Planned

__all__ = ["Group", "Sequence"]


class Group:
    """A request under way. Owned by the step thread once it is in the scheduler."""

    def __init__(self, request: Request, planned: Planned, arrived: float, sink: Any) -> None:
        self.request = request
        self.planned = planned
        self.read: set[tuple[int, int]] = set()  # token ranges that were looked up for the answer, where it is routed
        self.params = request.params
        self.live = request.priority == Priority.LIVE
        self.prompt = planned.prompt  # [P]
        self.max_new = planned.max_new  # tokens per choice
        self.arrived = arrived
        self.sink = sink  # where the deltas go; opaque here
        self.ticket = 0  # order of arrival, given by the scheduler
        seed = request.params.seed
        self.seed = random.getrandbits(63) if seed is None else seed
        self.unfinished: list[Sequence] = []
        self.started: float | None = None
        self.first_token: float | None = None
        self.cached_tokens = 0
        self.completion_tokens = 0
        # More than one choice: the first one runs the prompt but for its last token, then the others share its pages.
        self.fork_pending = self.params.n > 1
        self.scorer: Any = None
        self.prompt_scores: list[TokenLogprob] | None = [] if self.params.prompt_logprobs is not None else None

    def context_use(self) -> ContextUse:
        """How the prompt was read, as far as it is known by now."""
        use = self.planned.use
        if self.planned.route is None:
            return use
        return ContextUse(use.mode, len(self.read), tuple(joined(self.read)))

    @property
    def progress(self) -> Progress:
        """Of the prompt; may be asked in any thread."""
        first = next(iter(self.unfinished), None)
        return Progress(min(first.computed, len(self.prompt)) if first is not None else 0, len(self.prompt))

    @property
    def scored(self) -> int:
        """Prompt rows whose next token has been scored."""
        return len(self.prompt_scores) if self.prompt_scores is not None else len(self.prompt) - 1


class Sequence:
    """One choice. `length` tokens are known, `computed` of them are in `pages`."""

    __slots__ = (
        "buffer",
        "computed",
        "digests",
        "generated",
        "goal",
        "group",
        "guide",
        "index",
        "length",
        "order",
        "output",
        "page_tokens",
        "pages",
        "preempted",
        "published",
        "root",
        "routed",
        "sampler",
        "table",
    )

    def __init__(self, group: Group, index: int, output: ChoiceOutput, page_tokens: int, root: bytes) -> None:
        self.group = group
        self.index = index
        self.order = (int(group.request.priority), group.ticket, index)
        self.page_tokens = page_tokens
        self.root = root
        self.buffer: NDArray[np.int32] = group.prompt  # replaced by a growing copy with the first generated token
        self.length = len(group.prompt)
        self.computed = 0
        self.generated = 0
        self.preempted = False
        self.pages: list[int] = []
        self.table = np.zeros(max(1, -(-(self.length + 1) // page_tokens)), np.int32)  # `pages` as an array
        self.published = 0  # full pages that the prefix cache knows
        self.digests: list[bytes] = []
        self.routed: RoutedText | None = None  # from when a routed sequence first runs
        self.sampler: Any = None
        self.guide: Guide | None = None  # where the answer is constrained, from when it first runs
        self.output = output
        # What there is to run now: all known tokens, or the prompt but for its last one (before a fork, or for scores).
        self.goal = self.length - 1 if group.fork_pending or group.max_new == 0 else self.length

    @property
    def offset(self) -> int:
        """From a token's place in its pages to its place in the text."""
        return 0 if self.routed is None else self.routed.offset

    @property
    def room(self) -> int:
        """Up to which place of the text its pages reach."""
        return len(self.pages) * self.page_tokens + self.offset

    @property
    def remaining(self) -> int:
        return self.goal - self.computed

    @property
    def reusable(self) -> int:
        """Tokens that need not be run where their pages are known: not the last one, nor any still to be scored."""
        scored = self.group.scored
        return self.length - 1 if scored == len(self.group.prompt) - 1 else scored

    def append(self, token: int) -> None:
        """A generated token becomes known."""
        if self.length == len(self.buffer):
            buffer = np.empty(self.length + max(128, self.length // 2), np.int32)
            buffer[: self.length] = self.buffer
            self.buffer = buffer
        self.buffer[self.length] = token
        self.length += 1
        self.goal = self.length
        self.generated += 1

    def add_page(self, page: int) -> None:
        index = len(self.pages)
        if index == len(self.table):
            table = np.zeros(index + max(8, index // 2), np.int32)
            table[:index] = self.table
            self.table = table
        self.table[index] = page
        self.pages.append(page)

    def set_pages(self, pages: list[int]) -> None:
        """pages: is kept, and added to."""
        if len(pages) > len(self.table):
            self.table = np.zeros(len(pages) + 8, np.int32)
        self.table[: len(pages)] = pages
        self.pages = pages

    def replace_page(self, index: int, page: int) -> None:
        self.table[index] = page
        self.pages[index] = page

    def digest(self, index: int) -> bytes:
        """The address of the page with known tokens index*page_tokens .. (index+1)*page_tokens."""
        digests, size = self.digests, self.page_tokens
        if not digests and self.group.planned.digests:
            digests += self.group.planned.digests
        while len(digests) <= index:
            start = len(digests) * size
            digests.append(chain(digests[-1] if digests else self.root, self.buffer[start : start + size]))
        return digests[index]

    def parent(self, index: int) -> bytes:
        return self.digest(index - 1) if index else self.root
