"""KV pages of exact mode on disk: what `prefix.py` calls a tier, over a space of the block store.

Full pages of long prompts and answers are written down, so that a prompt's beginning is known again when memory has
forgotten it, or after a restart. It has the same bytes, so the same answers, to the bit; for that, addresses begin at a
root that names everything which these depend on (`address_space`).

The step thread only copies a page into a buffer; a thread of its own writes it. When that falls behind, pages are left
out rather than waited for, and those that would follow them, too: without their beginning they are worth nothing. Short
prompts are not written: computing them is as quick, and a disk that got every page would wear out for nothing.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatz import __version__, _core
from spatz.context.block import DamagedBlock
from spatz.context.block_space import Space
from spatz.context.prefix import KeptPage, chained

__all__ = ["FORMAT", "LEAST_TOKENS", "DiskTier", "address_space"]

FORMAT = 1  # of what is in a page
LEAST_PAGES = 8  # of a prefix that is written
LEAST_TOKENS = LEAST_PAGES * _core.PAGE_TOKENS
BUFFERS = 12  # pages that wait to be written, of about 1.5 MB for the embedded model
MOST_PLACES = 65_536  # addresses whose place in their chain is remembered

logger = logging.getLogger("spatz.cache")


def address_space(model: str, isa: str, kind: str) -> str:
    """The name under which KV pages of the same bytes are addressed.

    model: its full digest. Kernels decide about the last bits, so the compiled core is part of it.
    """
    core = hashlib.blake2b(Path(_core.__file__).read_bytes(), digest_size=16).hexdigest()
    return "/".join((model, isa, kind, f"format {FORMAT}", __version__, core))


class DiskTier:
    """`has`, `offer` and `fetch` belong to the step thread. close ends what the others need."""

    def __init__(self, space: Space, root: bytes) -> None:
        """root: the address of the empty prefix."""
        self._space = space
        self._root = root
        self._places: OrderedDict[bytes, tuple[int, bytes, str]] = OrderedDict()  # pages with this one, parent, owner
        self._idle: queue.SimpleQueue[NDArray[np.uint8]] = queue.SimpleQueue()
        for _ in range(BUFFERS):
            self._idle.put(np.empty(space.block_bytes, np.uint8))
        self._jobs: queue.SimpleQueue[tuple[bytes, bytes, NDArray[np.uint8], str] | threading.Event | None] = (
            queue.SimpleQueue()
        )
        self._coming: set[bytes] = set()  # on their way to the disk
        self._thread = threading.Thread(target=self._run, name="spatz-disk-tier", daemon=True)
        self._thread.start()

    def has(self, digest: bytes) -> bool:
        return digest in self._space

    def offer(self, digest: bytes, parent: bytes, page: NDArray[np.uint8], owner: str, kept: KeptPage) -> None:
        depth = self._depth(parent) + 1
        self._places[digest] = (depth, parent, owner)
        if len(self._places) > MOST_PLACES:
            self._places.popitem(last=False)
        if depth < LEAST_PAGES or self._written(digest):
            return
        missing = [(digest, parent, page, owner)]  # what has to be written, the last first
        while not self._written(at := missing[-1][1]):
            before = kept(at)
            if before is None or at not in self._places:
                return
            _, parent, owner = self._places[at]
            missing.append((at, parent, before, owner))
        for digest, parent, page, owner in reversed(missing):
            try:
                buffer = self._idle.get_nowait()
            except queue.Empty:
                return
            np.copyto(buffer, page)
            self._coming.add(digest)
            self._jobs.put((digest, parent, buffer, owner))

    def fetch(self, digest: bytes, page: NDArray[np.uint8]) -> bool:
        block = self._space.find(digest)
        if block is None:
            return False
        with block:
            try:
                np.copyto(page, block.read())
            except DamagedBlock:
                return False
            self._space.touch([block])
        return True

    def check_ahead(self, tokens: NDArray[np.int32]) -> None:
        """Check what is known of this prompt, so that `fetch` has only to copy: ten times as quick. For any thread."""
        # Not the last token: it is run in any case.
        for digest in chained(self._root, tokens[:-1], _core.PAGE_TOKENS):
            if not self._space.checked(digest):
                return

    def _depth(self, digest: bytes) -> int:
        """Pages of the prefix that ends with this one."""
        if digest == self._root:
            return 0
        place = self._places.get(digest)
        return place[0] if place is not None else LEAST_PAGES if digest in self._space else 0

    def _written(self, digest: bytes) -> bool:
        return digest == self._root or digest in self._space or digest in self._coming

    def flush(self) -> None:
        """Wait until all that was offered is written."""
        done = threading.Event()
        self._jobs.put(done)
        done.wait()

    def close(self) -> None:
        """Write what is under way. Nothing may be offered any more."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if isinstance(job, threading.Event):
                job.set()
                continue
            digest, parent, buffer, owner = job
            try:
                self._space.put(digest, parent, buffer, owner)
            except Exception:  # whatever it is, the next page is another try
                logger.exception("a page cannot be written to the cache")
            self._coming.discard(digest)
            self._idle.put(buffer)
