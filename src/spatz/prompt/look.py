"""An image that the model sees itself, in a prompt: the tokens that stand for it, and in whose places it is put.

As Idefics3 and SmolVLM were trained: each tile behind a mark of its row and column, then the whole picture. The marks
are special tokens, which no user's text can become (control_text.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatz.errors import WeightsError
from spatz.inputs.cut import Cut
from spatz.weights.tokenizer import Tokenizer

__all__ = ["IMAGE", "LookTokens", "PlacedLook"]

IMAGE = "<image>"
_AROUND = "<fake_token_around_image>"
_WHOLE = "<global-img>"


@dataclass(frozen=True, slots=True, eq=False)
class PlacedLook:
    cut: Cut
    places: NDArray[np.int32]  # [E] of the prompt's tokens, ascending: those that the image takes the place of


class LookTokens:
    """How one model's vocabulary writes images. Raises WeightsError for a vocabulary that cannot."""

    def __init__(self, tokenizer: Tokenizer, tile_tokens: int) -> None:
        """tile_tokens: that a tile becomes."""
        self._tokenizer = tokenizer
        self._tile_tokens = tile_tokens
        self._image = self._special(IMAGE)
        self._around = self._special(_AROUND)
        self._whole = self._special(_WHOLE)

    def ids(self, cut: Cut) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The tokens [n], and which of them the image takes the place of [E]."""
        ids: list[int] = []
        for row in range(cut.rows):
            for column in range(cut.columns):
                ids += [self._around, self._special(f"<row_{row + 1}_col_{column + 1}>")]
                ids += [self._image] * self._tile_tokens
            ids += self._line("\n" if row + 1 < cut.rows else "\n\n")
        ids += [self._around, self._whole, *[self._image] * self._tile_tokens, self._around]
        found = np.array(ids, np.int32)
        return found, np.flatnonzero(found == self._image).astype(np.int32)

    def _line(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, continues=True)

    def _special(self, text: str) -> int:
        token = self._tokenizer.special_id(text)
        if token is None:
            raise WeightsError(f"the vocabulary has no token {text}, which images are told by")
        return token
