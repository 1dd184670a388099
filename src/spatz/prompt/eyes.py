"""What a model sees images with: its vision tower, and how its vocabulary writes what it sees.

Between build.py, which finds the images' places in a prompt, and the engine, which is given vectors for them. What was
encoded is kept for a while: the next turn of a conversation shows the same images again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from spatz.engine.images import PromptImages, SeenImage
from spatz.errors import WeightsError
from spatz.inputs.cut import Cut, Tiling
from spatz.inputs.tiling import pixels_of, position_ids
from spatz.prompt.look import LookTokens, PlacedLook
from spatz.weights.load import LoadedTower
from spatz.weights.tokenizer import Tokenizer

__all__ = ["Eyes"]

KEPT_BYTES = 64 << 20  # of encoded images


class Eyes:
    """Any thread may look. One image is encoded at a time."""

    def __init__(self, loaded: LoadedTower, tokenizer: Tokenizer) -> None:
        """Raises WeightsError for a vocabulary that cannot write images."""
        tower = loaded.tower
        self.tiling = Tiling(tower.tile, tower.longest, tower.splits)
        self.tokens = LookTokens(tokenizer, tower.tokens)
        self._loaded = loaded
        patches = tower.tile // tower.patch
        self._positions = position_ids(patches, tower.side)
        if loaded.core.tokens(tower.tile, tower.tile) != tower.tokens:
            raise WeightsError("the vision tower's tiles do not become the tokens that they should")
        self._known: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._turn = Lock()

    def images(self, looks: Sequence[PlacedLook]) -> PromptImages | None:
        """The images of a prompt, for the engine. None: there are none."""
        if not looks:
            return None
        digests = [self._digest(look.cut) for look in looks]
        seen = tuple(SeenImage(look.places, digest) for look, digest in zip(looks, digests, strict=True))
        return PromptImages(seen, partial(self._encoded, [look.cut for look in looks], digests))

    def _digest(self, cut: Cut) -> bytes:
        """Names what is seen: the pixels, how they were cut, and what looks at them."""
        digest = hashlib.blake2b(self._loaded.sample.encode(), digest_size=32, person=b"spatz-image")
        digest.update(f"/{cut.rows}/{cut.columns}/".encode())
        digest.update(cut.tiles)
        return digest.digest()

    def _encoded(self, cuts: Sequence[Cut], digests: Sequence[bytes]) -> NDArray[np.float32]:
        return np.concatenate([self._one(cut, digest) for cut, digest in zip(cuts, digests, strict=True)])

    def _one(self, cut: Cut, digest: bytes) -> NDArray[np.float32]:
        """[tiles * tokens, text_hidden]"""
        with self._turn:
            known = self._known.get(digest)
            if known is None:
                known = self._look(cut)
                self._known[digest] = known
                while len(self._known) > 1 and sum(one.nbytes for one in self._known.values()) > KEPT_BYTES:
                    self._known.popitem(last=False)
            self._known.move_to_end(digest)
        return known

    def _look(self, cut: Cut) -> NDArray[np.float32]:
        tower = self._loaded.tower
        pixels = pixels_of(cut, tower.tile, tower.mean, tower.std)
        positions = np.tile(self._positions, (cut.count, 1))
        return self._loaded.core.encode(pixels, positions).reshape(-1, tower.text_hidden)
