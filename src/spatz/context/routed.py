"""A text that is longer than the model can read at once: streamed through a window, its past kept by the far heads.

Sits between the scheduler, which runs the tokens, and the block store. The text is run in a grid of a few hundred
tokens. Each grid sees its sinks, the window before it, and in the far heads the pieces that were looked up for it. What
leaves the window goes into blocks. Before the question (`Plan.tail`) the window is cut short and the pieces that share
the question's words are brought near: their keys are turned to the places just before the window. That is done again as
the answer grows. Everything before the question depends on the tokens alone, so blocks and states are shared.

Nothing here runs the model. Not thread-safe: the engine's step thread owns it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatz import _core
from spatz.context.block import Block
from spatz.context.far_memory import FarMemory
from spatz.context.pages import PagePool
from spatz.context.picking import pick_pieces, pick_recent
from spatz.errors import OverloadedError

__all__ = ["Plan", "RoutedText"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a prompt before it is run."""

    tail: int  # a multiple of a page: from here on it is the question; 0: nothing is asked, all of it is streamed
    terms: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    groups: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    whole: bool = False  # every layer is run for every token, because its log-probabilities are wanted
    index: _core.TokenIndex | None = None  # of everything that is to be found when the question is asked


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
        self.read: set[int] = set()  # pieces that were looked up for the question or the answer
        self._pool = pool
        self._digest = digest
        self._owner = owner
        self._start = 0  # of the window, in the text
        self._sinks: NDArray[np.uint8] | None = None
        self._blocks: list[Block | None] = []  # of each page before the window; none for the sinks' own
        self._index = memory.new_index()
        self._pieces: list[int] = []  # in the far pages
        self._asked = False
        self._refreshed = 0
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

    def first_top(self, computed: int) -> int:
        """The first place in the pages that the top layers see of what comes next, far pages apart."""
        return max(0, self._top_from - self.offset) if computed >= self._top_from else 0

    @property
    def asked(self) -> bool:
        return self._asked

    def spans(self) -> list[tuple[int, int]]:
        """The pieces that were looked up for the answer, as token ranges."""
        piece = self.memory.reach.piece
        return [(number * piece, (number + 1) * piece) for number in sorted(self.read)]

    def resume(self, tokens: NDArray[np.int32], least: int) -> int:
        """Find the longest known beginning and go on from there. How many tokens need not be run.

        least: tokens that must be run in any case, from the end of what is known. Raises OverloadedError.
        """
        memory, size = self.memory, self.memory.page_tokens
        last = self.plan.tail
        blocks = self._known_blocks(memory.window_start(last) // size if last else 0)
        found = self._find_state(last, len(blocks), len(tokens) - least)
        if found is None:
            for block in blocks[1:]:
                if block is not None:
                    block.release()
            return 0
        place, state, whole = found
        try:
            data = state.read()
        finally:
            state.release()
        start = memory.window_start(place)
        for block in blocks[max(1, start // size) :]:
            if block is not None:
                block.release()
        self._blocks = blocks[: start // size]
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
        if self.plan.index is not None and place == self.plan.tail:
            self._index = self.plan.index
        elif start:
            self._index.append(tokens[:start])
        if start and place != self.plan.tail:
            self._look_back(self._stream_pieces(tokens, place))
        memory.blocks.touch([block for block in self._blocks if block is not None])
        return place

    def prepare(self, tokens: NDArray[np.int32], computed: int) -> bool:
        """Bring the pages up to date for the token at `computed`. Whether they were changed.

        Raises OverloadedError where what leaves the window cannot be kept, DamagedBlock.
        """
        memory, reach = self.memory, self.memory.reach
        if self._asked:
            return self._go_on(tokens, computed)
        asks = computed > 0 and computed == self.plan.tail
        keeps = computed > 0 and computed % reach.between_states == 0 and computed <= self._top_from
        start = memory.window_start(computed)
        slides = start > self._start and computed % reach.grid == 0
        if slides:
            self._slide(tokens, start, kept=True)
        if asks or keeps:
            self._save_state(computed, whole=asks)
        if asks:
            self._ask(tokens, computed)
        elif slides:
            self._look_back(self._stream_pieces(tokens, computed))
        return asks or slides

    def add_page(self, page: int) -> None:
        self.pages.append(page)

    def release(self) -> None:
        """Give everything back."""
        for page in reversed(self.pages):
            self._pool.release(page)
        self.pages = []
        self.far_pages = 0
        for block in self._blocks:
            if block is not None:
                block.release()
        self._blocks = []

    # --- the window --------------------------------------------------------------------------------------------------

    def _slide(self, tokens: NDArray[np.int32], start: int, *, kept: bool) -> None:
        """Move the window's start. kept: what leaves it depends on the prompt alone, so others may find it."""
        memory, size = self.memory, self.memory.page_tokens
        window = self.pages[self.far_pages :]
        leaving = window[: (start - self._start) // size]
        for page in leaving:
            number = len(self._blocks)
            if number == 0:
                self._sinks = memory.cache.view(page).copy()
                self._blocks.append(None)
                continue
            block = memory.blocks.reserve()
            self._blocks.append(block)
            memory.store_page(page, block)
            if kept:
                parent = memory.block_digest(self._digest(number - 1))
                memory.blocks.commit(block, memory.block_digest(self._digest(number)), parent, self._owner)
        for page in leaving:
            self._pool.release(page)
        self.pages = self.pages[: self.far_pages] + window[len(leaving) :]
        if self._index is not self.plan.index and kept:
            self._index.append(tokens[self._start : start])
        self._start = start

    def _look_back(self, pieces: Sequence[int]) -> None:
        """New far pages, which hold the sinks and these pieces, right before the window."""
        memory, reach, size = self.memory, self.memory.reach, self.memory.page_tokens
        assert self._sinks is not None
        count = 1 + -(-len(pieces) * reach.piece // size)
        old = self.pages[: self.far_pages]
        window = self.pages[self.far_pages :]
        far = [self._take_page() for _ in range(count)]
        self.pages = far + window
        for page in old:
            self._pool.release(page)
        self.far_pages = count
        self.offset = self._start - count * size
        memory.move(memory.all_heads(self._sinks), None, 0, reach.sinks, far[0], 0, self._start - size)
        if pieces:
            memory.move(memory.far_heads(self._sinks), memory.heads, 0, reach.sinks, far[0], 0, self.offset)
        for at, piece in enumerate(pieces):
            place = piece * reach.piece
            block = self._blocks[place // size]
            assert block is not None
            slot = size + at * reach.piece
            data = block.read() if block.digest else block.data
            memory.move(
                data, memory.heads, place % size, reach.piece, far[slot // size], slot % size,
                self.offset + slot - place,
            )  # fmt: skip
        self._pieces = list(pieces)

    def _stream_pieces(self, tokens: NDArray[np.int32], computed: int) -> list[int]:
        """For a grid of the prompt: pieces that share rare tokens with what came just before it."""
        reach = self.memory.reach
        recent = tokens[max(0, computed - reach.recent) : computed]
        return pick_recent(self._index, recent, self._pieces_range(), reach.passages)

    def _pieces_range(self) -> tuple[int, int]:
        """Pieces that can be looked up: behind the sinks, before the window."""
        reach = self.memory.reach
        return reach.sinks // reach.piece, self._start // reach.piece

    # --- the question ------------------------------------------------------------------------------------------------

    def _ask(self, tokens: NDArray[np.int32], computed: int) -> None:
        start = max(self._start, computed - self.memory.reach.asked_window)
        self._slide(tokens, start, kept=True)
        self._asked = True
        self._refreshed = computed
        if start:
            self._look_back(self._look_up(tokens[:0]))

    def _look_up(self, said: NDArray[np.int32]) -> list[int]:
        plan = self.plan
        pieces = pick_pieces(self._index, plan.terms, plan.weights, plan.groups, self._pieces_range(), said)
        self.read.update(pieces)
        return pieces

    def _go_on(self, tokens: NDArray[np.int32], computed: int) -> bool:
        """As the answer grows: move its window, and look up what it needs now."""
        reach, size = self.memory.reach, self.memory.page_tokens
        slides = computed - self._start >= reach.most_near
        if slides:
            self._slide(tokens, computed // size * size - reach.window, kept=False)
        due = reach.refresh > 0 and computed - self._refreshed >= reach.refresh
        if not (slides or due) or not self._start:
            return False
        pieces = self._pieces
        if due:
            self._refreshed = computed
            pieces = self._look_up(tokens[max(self.plan.tail, computed - reach.refresh) : computed])
        if not slides and pieces == self._pieces:
            return False
        self._look_back(pieces)
        return True

    # --- states and blocks -------------------------------------------------------------------------------------------

    def _known_blocks(self, most: int) -> list[Block | None]:
        """Blocks of pages 1, 2, ... as far as they are known without a gap, pinned."""
        blocks: list[Block | None] = [None] if most else []
        find, address = self.memory.blocks.find, self.memory.block_digest
        for number in range(1, most):
            block = find(address(self._digest(number)))
            if block is None:
                break
            blocks.append(block)
        return blocks

    def _find_state(self, last: int, blocks: int, most: int) -> tuple[int, Block, bool] | None:
        """The latest place with a state, all of whose blocks are known: (place, state, whether all layers were run)."""
        memory, size = self.memory, self.memory.page_tokens
        for place in range(min(last, most) // size * size, 0, -size):
            if memory.window_start(place) // size > blocks:
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
