"""A picture that a model sees itself: cut into tiles. How it is cut is tiling.py's business."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cut", "Tiling"]


@dataclass(frozen=True, slots=True)
class Tiling:
    """How pictures are cut for one model."""

    tile: int  # pixels of a tile's side
    longest: int  # pixels of the longer side, before it is brought to whole tiles
    splits: bool  # False: one tile, always


@dataclass(frozen=True, slots=True)
class Cut:
    """rows * columns tiles, row by row, and then the whole picture; 0 rows: the whole picture alone."""

    rows: int
    columns: int
    tiles: bytes  # [count, tile, tile, 3] of 8-bit colours

    @property
    def count(self) -> int:
        return self.rows * self.columns + 1
