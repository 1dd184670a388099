"""Where in a client's schema something is wrong, and what of it is repeated to the client: never much."""

from __future__ import annotations

__all__ = ["SHOWN", "Place", "shown"]

SHOWN = 64  # characters of a key or a value that are repeated


class Place:
    """A list from its end, so that a deep schema does not cost the square of its depth. Prints as the API writes it."""

    __slots__ = ("above", "depth", "key", "levels")

    def __init__(self, above: Place | None = None, key: str = "", levels: int = 0) -> None:
        self.above = above
        self.key = key
        self.depth: int = above.depth + 1 if above else 0
        self.levels = levels  # objects and arrays around this schema

    def __str__(self) -> str:
        keys: list[str] = []
        place = self
        while place.above is not None:
            keys.append(place.key[:SHOWN])
            place = place.above
        return str(tuple(reversed(keys)))


def shown(value: object) -> str:
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "an object"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return "a huge number"
    return repr(value[:SHOWN]) if isinstance(value, str) else str(value)
