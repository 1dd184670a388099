"""A picture to the tiles that a vision tower reads, as the processors of Idefics3 and SmolVLM cut it.

The picture is brought to a longest side, then to whole tiles, cut, and shown once more as a whole in one tile. All of
that is done with Lanczos' filter on 8-bit colours, one after the other as those processors do it, so that the pixels
are theirs. Runs in a worker process (`cut_picture`); what is made of its bytes (`pixels_of`) is arithmetic alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spatz.inputs.cut import Cut, Tiling

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["cut_picture", "pixels_of", "position_ids"]

_MOST_PIXELS = 4096  # of a side, whatever the longest is said to be


def cut_picture(picture: Image.Image, tiling: Tiling, *, whole: bool = False) -> Cut:
    """picture: RGB. whole: it is not split, whatever its size (`detail: low`)."""
    from PIL import Image

    tile = tiling.tile
    picture = picture.resize(_within(picture.size, tiling.longest), Image.Resampling.LANCZOS)
    if whole or not tiling.splits:
        return Cut(0, 0, picture.resize((tile, tile), Image.Resampling.LANCZOS).tobytes())
    picture = picture.resize(_whole_tiles(picture.size, tile), Image.Resampling.LANCZOS)
    columns, rows = picture.width // tile, picture.height // tile
    if rows == columns == 1:
        return Cut(0, 0, picture.tobytes())
    boxes = [
        (column * tile, row * tile, (column + 1) * tile, (row + 1) * tile)
        for row in range(rows)
        for column in range(columns)
    ]
    last = picture.resize((tile, tile), Image.Resampling.LANCZOS)
    return Cut(rows, columns, b"".join([picture.crop(box).tobytes() for box in boxes]) + last.tobytes())


def pixels_of(cut: Cut, tile: int, mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """[count, 3, tile, tile] scaled and normalized."""
    colours = np.frombuffer(cut.tiles, np.uint8).reshape(cut.count, tile, tile, 3).transpose(0, 3, 1, 2)
    scaled = colours.astype(np.float32) * np.float32(1 / 255)
    middle, width = (np.asarray(values, np.float32).reshape(1, 3, 1, 1) for values in (mean, std))
    return np.ascontiguousarray((scaled - middle) / width)


def position_ids(patches: int, side: int) -> NDArray[np.int32]:
    """[patches * patches] the learned positions of a tile of so many patches a side, of a table for side * side.

    A patch lies at a fraction of the tile, and has the position of the table's cell that the fraction falls into. In
    float32, because a fraction at the border of two cells falls where that rounds it.
    """
    borders = np.arange(1 / side, 1.0, 1 / side).astype(np.float32)
    places = np.arange(patches, dtype=np.float32) * (np.float32(1.0) / np.float32(patches))
    places = np.minimum(places, np.float32(1.0 - 1e-6))
    cells = np.searchsorted(borders, places, side="right").astype(np.int32)
    found: NDArray[np.int32] = (cells[:, None] * np.int32(side) + cells[None, :]).reshape(-1)
    return found


def _within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """(width, height) with the longer side as said and the shorter one even, or one pixel at least."""
    width, height = _rounded(size, longest, even=True)
    if max(width, height) > _MOST_PIXELS:
        width, height = _rounded((width, height), _MOST_PIXELS, even=False)
    return width, height


def _rounded(size: tuple[int, int], longest: int, *, even: bool) -> tuple[int, int]:
    ratio = size[0] / size[1]
    wide = size[0] >= size[1]
    other = int(longest / ratio) if wide else int(longest * ratio)
    other = max(1, other + (even and other % 2))
    return (longest, other) if wide else (other, longest)


def _whole_tiles(size: tuple[int, int], tile: int) -> tuple[int, int]:
    """The next multiples of a tile, the shorter side's after it has been scaled along."""
    ratio = size[0] / size[1]
    if size[0] >= size[1]:
        width = math.ceil(size[0] / tile) * tile
        return width, math.ceil(int(width / ratio) / tile) * tile
    height = math.ceil(size[1] / tile) * tile
    return math.ceil(int(height * ratio) / tile) * tile, height
