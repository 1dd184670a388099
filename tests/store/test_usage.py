"""Rows of usage, on both kinds of database: sums, filters, and what is forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from spatz.store.db import Database
from spatz.store.usage import DAYS_KEPT, Counts, UsageKey, add_usage, drop_old_usage, read_usage


def test_one_row_adds_up(database: Database) -> None:
    key = UsageKey("key_a", 20_000, "m", False)
    for number in range(1, 4):
        with database.transaction() as connection:
            add_usage(connection, {key: Counts(1, 10 * number, number, 100)})
    with database.transaction() as connection:
        assert read_usage(connection, 0, 30_000) == [(key, Counts(3, 60, 6, 300))]


def test_large_sums(database: Database) -> None:
    key = UsageKey("", 20_000, "m", True)
    for _ in range(2):
        with database.transaction() as connection:
            add_usage(connection, {key: Counts(1, 1 << 60, 0, 3)})
    with database.transaction() as connection:
        assert read_usage(connection, 0, 30_000) == [(key, Counts(2, 1 << 61, 0, 6))]


def test_writers_at_once_lose_nothing(database: Database) -> None:
    rows = [UsageKey(f"key_{number}", 20_000, "m", batch) for number in range(3) for batch in (True, False)]

    def write(turn: int) -> None:
        order = rows if turn % 2 else rows[::-1]
        with database.transaction() as connection:
            add_usage(connection, {key: Counts(1, 2, 3, 4) for key in order})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(24)))
    with database.transaction() as connection:
        found = read_usage(connection, 0, 30_000)
    assert len(found) == 6
    assert all(counts == Counts(24, 48, 72, 96) for _, counts in found)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, ["a1", "a1b", "b1", "a2", "a2n"]),
        ({"owners": ["a"]}, ["a1", "a1b", "a2", "a2n"]),
        ({"owners": []}, []),
        ({"owners": ["a", "b"], "batch": True}, ["a1b"]),
        ({"batch": False, "models": ["m"]}, ["a1", "b1", "a2"]),
        ({"models": ["n"]}, ["a2n"]),
        ({"first": 2}, ["a2", "a2n"]),
        ({"end": 2}, ["a1", "a1b", "b1"]),
    ],
)
def test_filters(database: Database, asked: dict[str, Any], wanted: list[str]) -> None:
    rows = {
        "a1": UsageKey("a", 1, "m", False),
        "a1b": UsageKey("a", 1, "m", True),
        "b1": UsageKey("b", 1, "m", False),
        "a2": UsageKey("a", 2, "m", False),
        "a2n": UsageKey("a", 2, "n", False),
    }
    given = {"first": 0, "end": 9, **asked}
    first, end = given.pop("first"), given.pop("end")
    with database.transaction() as connection:
        add_usage(connection, {key: Counts(1) for key in rows.values()})
        found = read_usage(connection, first, end, **given)
    assert [key for key, _ in found] == [rows[name] for name in wanted]


def test_old_days_are_forgotten(database: Database) -> None:
    with database.transaction() as connection:
        add_usage(connection, {UsageKey("a", day, "m", False): Counts(1) for day in (1, 2, 3)})
        drop_old_usage(connection, 2 + DAYS_KEPT)
        assert [key.day for key, _ in read_usage(connection, 0, 9)] == [3]
