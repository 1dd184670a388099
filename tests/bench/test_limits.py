"""Shares against sums that are written out here in another way."""

from __future__ import annotations

import pytest

from spatz.bench.limits import Limits, Work

LIMITS = Limits(read_gb_s=50.0, int8_tops=1.0)
WORK = Work(weight_bytes=1_000_000, kv_token_bytes=100.0, linear_macs=5000, attention_macs=64, windows=(0, 10))


def test_operations_count_every_token_that_is_seen() -> None:
    for start, tokens in ((0, 1), (0, 9), (0, 10), (0, 11), (0, 40), (7, 1), (7, 30), (50, 3)):
        positions = range(start, start + tokens)
        seen = sum(p + 1 for p in positions) + sum(min(p + 1, 10) for p in positions)
        assert WORK.prefill_operations(tokens, start) == 2 * (5000 * tokens + 64 * seen)


def test_the_known_model() -> None:
    """SmolLM2-135M: 212 MFLOP of linear layers a token, and 4 * depth * heads * head_dim * layers of attention."""
    work = Work(92_000_000, 24_000.0, 106_168_320, 2 * 9 * 64, (0,) * 30)
    per_token = work.prefill_operations(2047) / 2047
    assert per_token == pytest.approx(2 * 106_168_320 + 4 * 1024 * 9 * 64 * 30)
    assert work.prefill_share(2047, 3000.0, LIMITS) == pytest.approx(per_token * 3000 / 1e12)
    assert work.decode_share(0, 400.0, LIMITS) == pytest.approx(92e6 * 400 / 50e9)


def test_decode_reads_what_the_windows_let_it_see() -> None:
    assert WORK.decode_bytes(0) == 1_000_000
    assert WORK.decode_bytes(100) == 1_000_000 + 100.0 * (100 + 10) / 2


def test_no_work_takes_less_than_its_limit() -> None:
    """A time that is exactly the limit's is a share of 1."""
    operations = 4 * (WORK.prefill_operations(20) + WORK.prefill_operations(10, 20)) / 1e12
    reads = 10 * (WORK.decode_bytes(25) + 3 * (WORK.decode_bytes(25) - 1_000_000)) / 50e9
    at_least = 4 * WORK.prefill_operations(20) / 1e12 + reads
    assert reads > operations  # these weights are many for so few operations
    assert WORK.batch_share(4, 20, 10, at_least, LIMITS) == pytest.approx(1.0)
    assert WORK.first_token_share(100, 1_000_000 / 50e9, LIMITS) == pytest.approx(1.0)
    slow = Limits(read_gb_s=1e9, int8_tops=1.0)
    assert WORK.first_token_share(100, WORK.prefill_operations(100) / 1e12, slow) == pytest.approx(1.0)


def test_a_limit_is_the_best_that_was_seen() -> None:
    assert Limits(1.0, 5.0).at_least(Limits(2.0, 4.0)) == Limits(2.0, 5.0)
