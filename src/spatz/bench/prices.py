"""Speeds to prices: what a million tokens cost on a machine that costs so much an hour. Measures nothing.

A row is one way of using the machine, and its speed is reached only when the machine does nothing else and never waits:
hours without requests cost the same and are in no row. What one million tokens take is time, and time is the price.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spatz.errors import ConfigError

__all__ = ["CACHED", "INPUT", "OUTPUT", "Kind", "Price", "Speed", "check_currency", "check_hourly", "prices"]

Kind = Literal["input", "cached_input", "output"]
INPUT: Kind = "input"
CACHED: Kind = "cached_input"
OUTPUT: Kind = "output"

PEER = "gpt-4.1-nano"
PEER_PRICES: dict[Kind, float] = {"input": 0.10, "cached_input": 0.025, "output": 0.40}  # USD a million tokens
MOST_HOURLY = 1e6


@dataclass(frozen=True, slots=True)
class Speed:
    kind: Kind
    name: str  # the key in the JSON
    assumes: str  # how the machine is used, for a person
    tok_s: float


@dataclass(frozen=True, slots=True)
class Price:
    speed: Speed
    per_million: float  # in the currency of the hourly price
    peer: float  # USD
    ratio: float | None  # ours over the peer's; None in another currency


def prices(speeds: Sequence[Speed], hourly: float, currency: str) -> list[Price]:
    found = []
    for speed in speeds:
        per_million = hourly / 3600 * 1e6 / speed.tok_s
        peer = PEER_PRICES[speed.kind]
        found.append(Price(speed, per_million, peer, per_million / peer if currency == "USD" else None))
    return found


def check_hourly(value: float) -> float:
    if not (math.isfinite(value) and 0 < value <= MOST_HOURLY):
        raise ConfigError(f"--hourly: expected a price above 0 and at most {MOST_HOURLY:,.0f}, got {value:g}")
    return value


def check_currency(text: str) -> str:
    text = text.strip()
    if not 1 <= len(text) <= 8 or not text.isprintable():
        raise ConfigError("--currency: expected 1 to 8 printable characters")
    return text
