"""Prices of speeds: arithmetic, and what is no price."""

from __future__ import annotations

import pytest

from spatz.bench.prices import CACHED, INPUT, OUTPUT, Speed, check_currency, check_hourly, prices
from spatz.errors import ConfigError


def test_a_million_tokens() -> None:
    # A thousand tokens a second are 3.6 million an hour.
    speeds = [Speed(kind, kind, "", tok_s) for kind, tok_s in ((INPUT, 1000.0), (CACHED, 8000.0), (OUTPUT, 100.0))]
    found = prices(speeds, 3.6, "USD")
    assert [price.per_million for price in found] == pytest.approx([1.0, 0.125, 10.0])
    assert [price.peer for price in found] == [0.10, 0.025, 0.40]
    assert [price.ratio for price in found] == pytest.approx([10.0, 5.0, 25.0])


def test_other_money_is_not_compared() -> None:
    (price,) = prices([Speed(INPUT, "input", "", 1000.0)], 3.6, "EUR")
    assert price.per_million == pytest.approx(1.0)
    assert price.ratio is None


@pytest.mark.parametrize("value", [0.0, -0.1, float("nan"), float("inf"), -float("inf"), 1e7])
def test_nonsense_prices(value: float) -> None:
    with pytest.raises(ConfigError, match="--hourly"):
        check_hourly(value)


@pytest.mark.parametrize("value", [1e-9, 0.1, 1e6])
def test_prices(value: float) -> None:
    assert check_hourly(value) == value


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "\x1b[1m", "x" * 9])
def test_what_is_no_currency(text: str) -> None:
    with pytest.raises(ConfigError, match="--currency"):
        check_currency(text)


@pytest.mark.parametrize("text", ["EUR", "€", " CHF "])
def test_currencies(text: str) -> None:
    assert check_currency(text) == text.strip()
