"""Dates of providers as YYYY-MM-DD."""

from __future__ import annotations

from datetime import date

import pytest

from spatz.search.published import iso_date, too_old

TODAY = date(2026, 3, 10)


@pytest.mark.parametrize(
    ("told", "day"),
    [
        ("2024-01-05", "2024-01-05"),
        ("2024-01-05T23:59:59", "2024-01-05"),
        ("2024-01-05T10:20:30.123Z", "2024-01-05"),
        ("2024-01-05 10:20:30+0200", "2024-01-05"),
        ("2024/1/5", "2024-01-05"),
        ("Wed, 22 Jan 2025 10:00:00 GMT", "2025-01-22"),
        ("22 January 2025", "2025-01-22"),
        ("April 12, 2023", "2023-04-12"),
        ("Sept. 3rd, 2021", "2021-09-03"),
        ("2 days ago", "2026-03-08"),
        ("an hour ago", "2026-03-10"),
        ("3 weeks ago", "2026-02-17"),
        ("1 year ago", "2025-03-10"),
        ("yesterday", "2026-03-09"),
        ("Today", "2026-03-10"),
        (1_700_000_000, "2023-11-14"),
        (1_700_000_000_000, "2023-11-14"),
        ("2026-03-11", "2026-03-11"),  # where it is tomorrow already
    ],
)
def test_what_is_a_date(told: object, day: str) -> None:
    assert iso_date(told, TODAY) == day


@pytest.mark.parametrize("told", ["", "soon", "2024", "2024-13-45", "30 February 2024", "2031-01-01", "1066-10-14"])
def test_texts_that_are_none(told: str) -> None:
    assert iso_date(told, TODAY) == ""


@pytest.mark.parametrize(
    "told", [5, -1e300, 1e300, float("nan"), float("inf"), True, None, [2024, 1, 1], {"year": 2024}]
)
def test_values_that_are_none(told: object) -> None:
    assert iso_date(told, TODAY) == ""


def test_numbers_that_no_date_has() -> None:
    assert iso_date("9999 years ago", TODAY) == "" and iso_date("12345-01-01", TODAY) == ""
    assert iso_date("2024-01-05" + "x" * 80, TODAY) == ""


def test_what_is_too_old() -> None:
    assert not too_old("2026-03-08", "day", TODAY) and too_old("2026-03-07", "day", TODAY)
    assert not too_old("2026-03-03T00:00:00", "week", TODAY) and too_old("2026-03-01", "week", TODAY)
    assert not too_old("2026-02-07", "month", TODAY) and too_old("2026-02-01", "month", TODAY)
    assert not too_old("2025-03-10", "year", TODAY) and too_old("2025-03-01", "year", TODAY)
    assert not too_old("", "day", TODAY) and not too_old("1999-01-01", None, TODAY) and not too_old("odd", "day", TODAY)
