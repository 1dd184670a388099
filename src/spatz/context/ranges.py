"""Ranges of a text's tokens, [start, end), as passages, areas and blocks of it are told."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Range", "joined"]

Range = tuple[int, int]


def joined(ranges: Iterable[Range]) -> list[Range]:
    """The same tokens in order, in ranges that do not touch."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
