"""What all routed sequences of a model share: its far heads, where their blocks are kept, and how far things reach.

Sits between the engine, which owns one, and `RoutedText`, of which each routed sequence has one. A block is what the
far heads keep of a page of tokens; a state is what every head keeps of the window at one place of a text, so that a
later prompt can go on from there. Both are addressed by what they hold and live in the block store.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spatz import _core
from spatz.context.block import Block
from spatz.context.block_store import BlockStore
from spatz.context.prefix import DIGEST_BYTES, root
from spatz.context.word_forms import WordForms
from spatz.context.word_search import WordSearch
from spatz.errors import OverloadedError

__all__ = ["FarCache", "FarMemory", "Reach"]

_KEPT_SEARCHES = 3  # over whole texts, a dozen bytes a token


@dataclass(frozen=True, slots=True)
class Reach:
    """In tokens, all multiples of a page (the grid of two)."""

    sinks: int = 128  # of a text's beginning, which full-attention heads always see
    grid: int = 256  # how many tokens share a window and what was looked up for them
    window: int = 512  # before the grid's first token
    piece: int = 64  # what is looked up, two to a block
    most_near: int = 4096  # of question and answer, before their window slides, too
    between_states: int = 32_768
    recent: int = 128  # what a grid of the prompt is looked up by: the tokens before it
    passages: int = 4  # that are looked up for it, each of two pieces; 0: none
    again: int = 512  # that what was found for a question may add to it, by being read once more; 0: none


class FarCache(Protocol):
    """What `_core.KVCache` is to this module."""

    @property
    def page_bytes(self) -> int: ...
    @property
    def head_bytes(self) -> int: ...
    def view(self, page: int) -> NDArray[np.uint8]: ...
    def gather(self, page: int, heads: Any, out: NDArray[np.uint8]) -> None: ...


# (source, heads or None for all, source slot, count, page, slot, distance), as `_core.Model.move` documents them.
Move = Callable[[NDArray[np.uint8], Any, int, int, int, int, int], None]


class FarMemory:
    def __init__(
        self,
        *,
        cache: FarCache,
        move: Move,
        heads: _core.FarHeads,
        layers: int,
        store: BlockStore,
        vocab: int,
        fingerprint: str,
        page_tokens: int = _core.PAGE_TOKENS,
        reach: Reach | None = None,
    ) -> None:
        """fingerprint: of weights, formats and instruction set."""
        self.reach = reach or Reach()
        if self.reach.most_near < 2 * self.reach.window:
            raise ValueError("an answer must be able to move its window: most_near is at least two windows")
        self.cache = cache
        self.move = move
        self.heads = heads
        self.layers = layers
        self.vocab = vocab
        self.page_tokens = page_tokens
        listed = ",".join(map(str, heads.heads))
        self.root = root(fingerprint, "routed", listed, repr(self.reach))
        name = self.root.hex()[:16]
        self.blocks = store.space(f"far-{name}", len(heads.heads) * cache.head_bytes)
        self.states = store.space(f"state-{name}", self.state_pages * cache.page_bytes)
        self._searches: OrderedDict[bytes, WordSearch] = OrderedDict()
        self._turn = Lock()
        self._room: NDArray[np.uint8] | None = None

    @property
    def state_pages(self) -> int:
        """Of sinks, window, and what of a grid may lie behind it."""
        reach = self.reach
        return (reach.sinks + reach.window + reach.grid) // self.page_tokens

    @property
    def most_pages(self) -> int:
        """That a routed sequence may hold while its prompt is streamed; asking takes no more."""
        return self.spare_pages + self.reach.most_near // self.page_tokens

    @property
    def spare_pages(self) -> int:
        """That resuming, or moving the window, takes beyond what is given back."""
        return self.state_pages + self.reach.passages + 16

    @property
    def top_reach(self) -> int:
        """Tokens before a place from which on all layers have to be run for what is seen there to be whole."""
        layers: int = self.layers - self.heads.depth
        return layers * self.reach.window

    def window_start(self, place: int) -> int:
        """Of a text that is streamed, where the window of the token at `place` begins."""
        return max(0, place // self.reach.grid * self.reach.grid - self.reach.window)

    def blocks_before(self, start: int) -> int:
        """How many blocks a window that begins there leaves behind; the sinks are none."""
        return max(0, (start - self.reach.sinks) // self.page_tokens)

    def search_of(self, digest: bytes, tokens: NDArray[np.int32], forms: WordForms) -> WordSearch:
        """A search over a whole text, which is kept for the next question. digest: of the text. For any thread."""
        with self._turn:
            known = self._searches.get(digest)
            if known is not None:
                self._searches.move_to_end(digest)
                return known
        search = WordSearch(tokens, forms)
        with self._turn:
            self._searches[digest] = search
            while len(self._searches) > _KEPT_SEARCHES:
                self._searches.popitem(last=False)
        return search

    def new_index(self) -> _core.TokenIndex:
        return _core.TokenIndex(vocab=self.vocab, block_tokens=self.reach.piece)

    def all_heads(self, page: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A page without what pads it."""
        each = self.cache.head_bytes
        return page[: len(page) // each * each]

    def far_heads(self, page: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What the far heads have in a page, [heads * head_bytes]."""
        each = self.cache.head_bytes
        return self.all_heads(page).reshape(-1, each)[list(self.heads.heads)].reshape(-1)

    def store_page(self, page: int, block: Block) -> None:
        """What the far heads have in a page of the cache becomes a block. Raises OverloadedError."""
        if self._room is None:
            self._room = np.empty(self.blocks.block_bytes, np.uint8)
        self.cache.gather(page, self.heads, self._room)
        try:
            block.fill(self._room)
        except OSError as error:
            raise OverloadedError(
                f"The far context of this prompt cannot be kept: {error.strerror or error}.", status=503, retry_after=30
            ) from None

    def state_digest(self, chained: bytes, *, whole: bool) -> bytes:
        """whole: every layer was run for all of it; else only what the far heads need."""
        tag = b"spatz-state-all" if whole else b"spatz-state"
        return hashlib.blake2b(chained, digest_size=DIGEST_BYTES, person=tag).digest()
