"""Images in a prompt, as the engine knows them: tokens whose inputs are vectors, and what tells one image from another.

Made above, by who encodes images; here they are checked, given to the core row by row, and made part of the addresses
of the pages that hold them. All images of the world have the same token ids: without that, one would be answered with
another's keys and values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatz.context.prefix import chained

__all__ = ["PromptImages", "SeenImage", "SeenTokens", "addresses"]


@dataclass(frozen=True, slots=True)
class SeenImage:
    """One image of a prompt."""

    places: NDArray[np.int32]  # [E] ascending: the prompt's tokens that stand for it
    digest: bytes  # of the image as it is encoded


@dataclass(frozen=True, slots=True)
class PromptImages:
    """All images of a prompt, in order."""

    images: tuple[SeenImage, ...]
    load: Callable[[], NDArray[np.float32]]
    """[E, hidden] what stands for them, of all images one after another. Takes its time; for any thread."""


@dataclass(frozen=True, slots=True)
class SeenTokens:
    """What the core is given in the place of tokens."""

    places: NDArray[np.int32]  # [E] ascending, in the prompt
    vectors: NDArray[np.float32]  # [E, hidden]

    @classmethod
    def of(cls, images: PromptImages, size: int) -> SeenTokens:
        """size: of the prompt. Raises ValueError where places and vectors do not fit it or each other."""
        places = np.concatenate([image.places for image in images.images], dtype=np.int32)
        vectors = np.ascontiguousarray(images.load(), np.float32)
        if len(places) != len(vectors) or (np.diff(places) <= 0).any() or places[0] < 0 or places[-1] >= size:
            raise ValueError("the images do not fit the prompt")
        return cls(places, vectors)

    def within(self, first: int, last: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Of the tokens [first, last): their places behind first, and their vectors."""
        low, high = np.searchsorted(self.places, (first, last)).tolist()
        return self.places[low:high] - first, self.vectors[low:high]


def addresses(
    root: bytes, tokens: NDArray[np.int32], images: Sequence[SeenImage], page_tokens: int
) -> tuple[bytes, ...]:
    """The chained addresses of the pages up to the last one with a part of an image (prefix.py), of full pages only.

    A page with images is addressed by which part of which image it holds, too.
    """

    def seen(start: int, end: int) -> bytes:
        parts = []
        for image in images:
            low, high = np.searchsorted(image.places, (start, end)).tolist()
            if low < high:
                parts.append(image.digest + low.to_bytes(4, "little") + high.to_bytes(4, "little"))
        return b"".join(parts)

    last = int(images[-1].places[-1]) + page_tokens
    return tuple(chained(root, tokens[: last // page_tokens * page_tokens], page_tokens, seen))
