"""A text that is longer than the model can read at once: streamed through a window, its past kept by the far heads.

Sits between the scheduler, which runs the tokens, and the block store. The text is run in a grid of a few hundred
tokens. Each grid sees its sinks, the window before it, and in the far heads the pieces that were looked up for it. What
leaves the window goes into blocks. The question sees the sinks and the passages that it is about, and nothing else of
the text: what happens to stand before it misleads a small model. Passages that are said again behind it are not seen
before it, too: of several values of one name, it would say one twice. What is looked up is brought near: keys are
turned to the places just before the window. Everything before the question depends on the tokens alone, so it is
shared.

Nothing here runs the model. Not thread-safe: the engine's step thread owns it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatz.context.block import Block
from spatz.context.far_memory import FarMemory
from spatz.context.pages import PagePool
from spatz.context.picking import fill_up, pick_recent
from spatz.context.ranges import Range, joined
from spatz.errors import OverloadedError

__all__ = ["Plan", "RoutedText"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a prompt before it is run."""

    tail: int  # a multiple of a page: up to here the text is streamed; 0: all of it, and nothing is asked
    asked: int = 0  # at or a little behind it: from here on it is the question
    passages: tuple[Range, ...] = ()  # before `asked`: what the question is about, in order, disjoint; none: not known
    kept: tuple[Range, ...] = ()  # before `asked`: what it sees in any case, such as a system prompt; as passages are
    said: bool = False  # the passages stand behind the question, too, and it does not see them before it
    whole: bool = False  # every layer is run for every token, because its log-probabilities are wanted


class RoutedText:
    """One sequence's far past. `pages` are what it sees: far pages first, then its window."""

    def __init__(
        self, memory: FarMemory, pool: PagePool, plan: Plan, digest: Callable[[int], bytes], owner: str = ""
    ) -> None:
        """digest: the chained address of a page of the text (see prefix.py)."""
        self.memory = memory
        self.plan = plan
        self.far_pages = 0
        self.offset = 0  # of a token's place in the text to its place in the pages
        self.pages: list[int] = []
        self.read: list[Range] = []  # what was looked up for the question
        self._pool = pool
        self._digest = digest
        self._owner = owner
        self._start = 0  # of the window, in the text
        self._sinks: NDArray[np.uint8] | None = None
        self._blocks: list[Block] = []  # of each page between the sinks and the window
        self._index = memory.new_index()
        self._ranges: list[Range] = []  # of the text, in the far pages behind the sinks
        self._asked = False
        self._first = 0  # nothing of the window before this place in the text is seen
        top = memory.reach.grid * ((plan.tail - memory.top_reach) // memory.reach.grid)
        self._top_from = 0 if plan.whole or plan.tail == 0 else max(0, top)

    # --- what the scheduler asks -------------------------------------------------------------------------------------

    def limit(self, computed: int) -> int:
        """Up to where the next chunk may go."""
        reach, plan = self.memory.reach, self.plan
        if self._asked:
            return self._start + reach.most_near
        end = (computed // reach.grid + 1) * reach.grid
        return min(end, plan.tail) if computed < plan.tail else end

    def shallow(self, start: int, end: int) -> bool:
        """Whether the top layers need not be run for these tokens: nobody will look at them there."""
        return start >= self.memory.reach.grid and end <= self._top_from

    @property
    def streams(self) -> bool:
        """Whether the question is still to come."""
        return not self._asked

    def route(self, computed: int) -> tuple[int, int, int, int]:
        """For what comes next, as the core wants it: far pages, offset, and the first places that are seen."""
        first = max(0, self._first - self.offset)
        top = max(0, self._top_from - self.offset) if computed >= self._top_from else 0
        return self.far_pages, self.offset, first, top

    def resume(self, tokens: NDArray[np.int32], least: int) -> int:
        """Find the longest known beginning and go on from there. How many tokens need not be run.

        least: tokens that must be run in any case, from the end of what is known. Raises OverloadedError.
        """
        memory, size = self.memory, self.memory.page_tokens
        last = self.plan.tail
        most = memory.blocks_before(memory.window_start(last))
        blocks = memory.blocks.find_all(self._digest(number) for number in range(1, most + 1))
        found = self._find_state(last, len(blocks), len(tokens) - least)
        if found is None:
            _release(blocks)
            return 0
        place, state, whole = found
        try:
            data = state.read()
        finally:
            state.release()
        start = memory.window_start(place)
        known = memory.blocks_before(start)
        _release(blocks[known:])
        self._blocks = blocks[:known]
        self._start = start
        each = memory.cache.page_bytes
        if start:
            self._sinks = data[:each].copy()
        for number in range((place - start) // size):
            page = self._take_page()
            memory.cache.view(page)[:] = data[(number + 1) * each : (number + 2) * each]
            self.pages.append(page)
        if whole and place > self._top_from:
            self._top_from = start
        if start and place != self.plan.tail:  # else the question comes next, and has its own passages
            self._index.append(tokens[:start])
            self._look_back(self._recalled(tokens, place))
        memory.blocks.touch(self._blocks)
        return place

    def prepare(self, tokens: NDArray[np.int32], computed: int) -> int:
        """Bring the pages up to date for the token at `computed`; at the question it may be a little further on.

        Raises OverloadedError where what leaves the window cannot be kept, DamagedBlock.
        """
        memory, reach = self.memory, self.memory.reach
        if self._asked:
            self._go_on(tokens, computed)
            return computed
        asks = computed > 0 and computed == self.plan.tail
        keeps = computed > 0 and computed % reach.between_states == 0 and computed <= self._top_from
        start = memory.window_start(computed)
        slides = start > self._start and computed % reach.grid == 0
        if slides:
            self._slide(tokens, start, kept=True)
        if asks or keeps:
            self._save_state(computed, whole=asks)
        if asks:
            return self._ask(tokens, computed)
        if slides:
            self._look_back(self._recalled(tokens, computed))
        return computed

    def release(self) -> None:
        """Give everything back."""
        for page in reversed(self.pages):
            self._pool.release(page)
        self.pages = []
        self.far_pages = 0
        _release(self._blocks)
        self._blocks = []

    # --- the window --------------------------------------------------------------------------------------------------

    def _slide(self, tokens: NDArray[np.int32], start: int, *, kept: bool) -> None:
        """Move the window's start. kept: what leaves it depends on the prompt alone, so others may find it."""
        memory, size = self.memory, self.memory.page_tokens
        window = self.pages[self.far_pages :]
        leaving = window[: (start - self._start) // size]
        for page in leaving:
            if self._sinks is None:
                self._sinks = memory.cache.view(page).copy()
                continue
            block = memory.blocks.reserve()
            self._blocks.append(block)
            memory.store_page(page, block)
            if kept:
                number = len(self._blocks)
                memory.blocks.commit(block, self._digest(number), self._digest(number - 1), self._owner)
        for page in leaving:
            self._pool.release(page)
        self.pages = self.pages[: self.far_pages] + window[len(leaving) :]
        if kept:
            self._index.append(tokens[self._start : start])
        self._start = start

    def _look_back(self, ranges: Sequence[Range]) -> None:
        """New far pages: the sinks and these ranges of the past, right before the window."""
        memory, reach, size = self.memory, self.memory.reach, self.memory.page_tokens
        assert self._sinks is not None
        filled = fill_up(ranges, reach.sinks, self._start, size)
        count = 1 + sum(end - begin for begin, end in filled) // size
        old = self.pages[: self.far_pages]
        window = self.pages[self.far_pages :]
        far = [self._take_page() for _ in range(count)]
        self.pages = far + window
        for page in old:
            self._pool.release(page)
        self.far_pages = count
        self.offset = self._start - count * size
        memory.move(memory.all_heads(self._sinks), None, 0, reach.sinks, far[0], 0, self._start - size)
        if filled:
            memory.move(memory.far_heads(self._sinks), memory.heads, 0, reach.sinks, far[0], 0, self.offset)
        slot = size
        for begin, end in filled:
            while begin < end:
                block = self._blocks[begin // size - 1]
                data = block.read() if block.digest else block.data
                n = min(end - begin, size - begin % size, size - slot % size)
                distance = self.offset + slot - begin
                memory.move(data, memory.heads, begin % size, n, far[slot // size], slot % size, distance)
                begin += n
                slot += n
        self._ranges = filled

    def _recalled(self, tokens: NDArray[np.int32], computed: int) -> list[Range]:
        """For a grid of the prompt: where the rare tokens of what came just before it were, too."""
        reach = self.memory.reach
        recent = tokens[max(0, computed - reach.recent) : computed]
        pieces = pick_recent(
            self._index, recent, (reach.sinks // reach.piece, self._start // reach.piece), reach.passages
        )
        return [(piece * reach.piece, (piece + 1) * reach.piece) for piece in pieces]

    # --- the question ------------------------------------------------------------------------------------------------

    def _ask(self, tokens: NDArray[np.int32], computed: int) -> int:
        """Where it is known what the question is about, that is all it sees of the text."""
        reach, plan = self.memory.reach, self.plan
        self._asked = True
        passages = [(max(begin, reach.sinks), end) for begin, end in plan.passages if end > reach.sinks]
        if not passages:
            if self._start:
                self._look_back(_within(plan.kept, reach.sinks, self._start))
            return computed
        self.read = list(passages)
        if computed > reach.sinks:
            self._slide(tokens, computed, kept=True)
            seen = plan.kept if plan.said else (*plan.kept, *passages)
            self._look_back(_within(seen, reach.sinks, computed))
        if passages[-1][1] > computed:
            return computed  # the last tokens before the question are part of it
        self._first = plan.asked
        return plan.asked

    def _go_on(self, tokens: NDArray[np.int32], computed: int) -> None:
        """As the answer grows, its window moves, too."""
        reach, size = self.memory.reach, self.memory.page_tokens
        if computed - self._start >= reach.most_near:
            self._slide(tokens, computed // size * size - reach.window, kept=False)
            self._look_back(self._ranges)

    # --- states and blocks -------------------------------------------------------------------------------------------

    def _find_state(self, last: int, blocks: int, most: int) -> tuple[int, Block, bool] | None:
        """The latest place with a state, all of whose blocks are known: (place, state, whether all layers were run)."""
        memory, size = self.memory, self.memory.page_tokens
        for place in range(min(last, most) // size * size, 0, -size):
            if memory.blocks_before(memory.window_start(place)) > blocks:
                continue
            chained = self._digest(place // size - 1)
            state = memory.states.find(memory.state_digest(chained, whole=True))
            if state is not None:
                return place, state, True
            if place <= self._top_from and place % memory.reach.between_states == 0:
                state = memory.states.find(memory.state_digest(chained, whole=False))
                if state is not None:
                    return place, state, False
        return None

    def _save_state(self, place: int, *, whole: bool) -> None:
        """Keep the window, so that another prompt can go on from here. Without room for it there is no state."""
        memory, size = self.memory, self.memory.page_tokens
        chained = self._digest(place // size - 1)
        digest = memory.state_digest(chained, whole=whole)
        known = memory.states.find(digest)
        if known is not None:
            known.release()
            return
        try:
            block = memory.states.reserve()
        except OverloadedError:
            return
        try:
            each = memory.cache.page_bytes
            data = np.zeros(memory.states.block_bytes, np.uint8)
            if self._sinks is not None:
                data[:each] = self._sinks
            for number, page in enumerate(self.pages[self.far_pages :]):
                data[(number + 1) * each : (number + 2) * each] = memory.cache.view(page)
            block.fill(data)
            memory.states.commit(block, digest, chained, self._owner)
        except OSError:
            return
        finally:
            block.release()

    def _take_page(self) -> int:
        page = self._pool.allocate()
        if page is None:
            raise OverloadedError("There is no memory for the far context of this prompt.", status=503, retry_after=5)
        return page


def _within(ranges: Iterable[Range], first: int, last: int) -> list[Range]:
    """What of them lies in [first, last), in order, joined where they touch."""
    cut = ((max(begin, first), min(end, last)) for begin, end in ranges)
    return joined((begin, end) for begin, end in cut if begin < end)


def _release(blocks: Iterable[Block]) -> None:
    for block in blocks:
        block.release()
