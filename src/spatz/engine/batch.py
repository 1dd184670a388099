"""The ragged batch of one step, as the arrays that the core takes.

Sits between the scheduler's chunks and `_core.Model.forward`. The arrays are views into buffers that are kept, because
a step of one sequence takes the core two milliseconds and Python should not be seen in it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatz.engine.backend import Backend, Result
from spatz.engine.sequence import Sequence

__all__ = ["BatchRunner", "Chunk"]


class Chunk(NamedTuple):
    """The next `size` known tokens of a sequence, and which rows of them are wanted."""

    sequence: Sequence
    size: int
    scored: int  # how many of its rows are scored against the prompt's next token; they are the chunk's last ones
    sampled: bool  # whether its last row is sampled, which comes after the scored ones


class BatchRunner:
    def __init__(self, backend: Backend, max_tokens: int, max_sequences: int) -> None:
        self._forward = backend.forward
        self._cache = backend.cache
        self._tokens = np.zeros(max_tokens, np.int32)
        self._starts = np.zeros(max_sequences + 1, np.int32)
        self._positions = np.zeros(max_sequences, np.int32)
        self._pages = np.zeros(max_sequences * 64, np.int32)
        self._routes = np.zeros((max_sequences, 4), np.int32)
        self._far_heads = None if backend.far is None else backend.far.heads

    def run(self, chunks: list[Chunk]) -> Result:
        """One step. Rows come in the order of the chunks, scored rows before the sampled one.

        Chunks that need not be run through all layers are a pass of their own, which has no rows.
        """
        deep = [chunk for chunk in chunks if not _is_shallow(chunk)]
        if len(deep) == len(chunks):
            return self._pass(chunks)
        result = self._pass([chunk for chunk in chunks if _is_shallow(chunk)], shallow=True)
        return self._pass(deep) if deep else result

    def _pass(self, chunks: list[Chunk], *, shallow: bool = False) -> Result:
        count = len(chunks)
        tokens, starts, positions = self._tokens, self._starts, self._positions
        table = self._page_table(count, max(len(chunk.sequence.pages) for chunk in chunks))
        rows: list[int] = []
        targets: list[int] = []
        samplers: list[Any] = []
        seen: list[tuple[NDArray[np.int32], NDArray[np.float32]]] = []
        end = 0
        for i, (sequence, size, scored, sampled) in enumerate(chunks):
            begin, end = end, end + size
            first = sequence.computed
            if size == 1:
                tokens[begin] = sequence.buffer[first]
            else:
                tokens[begin:end] = sequence.buffer[first : first + size]
            starts[i + 1] = end
            positions[i] = first - sequence.offset
            images = sequence.group.planned.seen
            if images is not None and first <= images.places[-1]:
                places, vectors = images.within(first, first + size)
                if len(places):
                    seen.append((places + begin, vectors))
            pages = len(sequence.pages)
            table[i, :pages] = sequence.table[:pages]
            if scored:
                last = first + size - sampled  # the token after it is the last target
                rows.extend(range(end - sampled - scored, end - sampled))
                targets.extend(sequence.group.prompt[last - scored + 1 : last + 1].tolist())
                samplers.extend([sequence.group.scorer] * scored)
            if sampled:
                rows.append(end - 1)
                targets.append(-1)
                samplers.append(sequence.sampler)
        arrays = (
            self._cache,
            tokens[:end],
            starts[: count + 1],
            positions[:count],
            table,
            np.array(rows, np.int32),
            np.array(targets, np.int32),
            samplers,
        )
        given: dict[str, Any] = {}
        if seen:
            given["embedding_rows"] = np.concatenate([places for places, _ in seen], dtype=np.int32)
            given["embeddings"] = np.concatenate([vectors for _, vectors in seen])
        if all(chunk.sequence.routed is None for chunk in chunks):
            return self._forward(*arrays, **given)
        routes = self._routes[:count]
        for i, chunk in enumerate(chunks):
            routed, first = chunk.sequence.routed, chunk.sequence.computed
            routes[i] = 0 if routed is None else routed.route(first)
        return self._forward(*arrays, routes=routes, far_heads=self._far_heads, shallow=shallow, **given)

    def _page_table(self, count: int, width: int) -> NDArray[np.int32]:
        """[count, width], contiguous. Entries past a sequence's pages are whatever was there; the core ignores them."""
        if count * width > len(self._pages):
            self._pages = np.zeros(2 * count * width, np.int32)
        return self._pages[: count * width].reshape(count, width)


def _is_shallow(chunk: Chunk) -> bool:
    routed, first = chunk.sequence.routed, chunk.sequence.computed
    return routed is not None and routed.shallow(first, first + chunk.size)
