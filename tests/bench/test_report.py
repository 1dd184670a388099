from __future__ import annotations

import json
from pathlib import Path

import pytest

from spatz.bench.limits import Limits, Work
from spatz.bench.plan import Plan
from spatz.bench.report import Figure, Report, as_json, print_table, shares, write_json
from spatz.errors import ConfigError


@pytest.fixture
def report() -> Report:
    plan = Plan(prefill=(512,), decode=(0,), cold_start=False, rss_prompt=0)
    return Report(
        limits=Limits(50.123456, 1.0),
        threads=2,
        isa="avx512",
        model="sparrow [small]",
        format="q4",
        plan=plan,
        work=Work(100_000_000, 24_000.0, 100_000_000, 1152, (0,) * 30),
        figures={
            "prefill_512_tok_s": Figure([4000.0, 3000.0, 9000.0]),
            "decode_0_tok_s": Figure([400.0]),
            "batch16_tok_s": Figure([1600.0]),
            "batch16_generated_tok_s": Figure([800.0]),
            "ttft_ms": Figure([50.0]),
            "tokenize_tok_s": Figure([1_234_567.0]),
        },
        peers={"": {"prefill_512": Figure([400.0, 500.0, 100.0])}, "q4_0": {"prefill_512": Figure([1000.0])}},
        peer_builds={"": "abc (7)"},
    )


def test_json(report: Report) -> None:
    data = as_json(report)
    assert data["machine"] == {"read_gb_s": 50.12, "int8_tops": 1.0, "threads": 2, "isa": "avx512"}
    assert data["prefill_512_tok_s"] == 4000.0
    assert data["peer_prefill_512_tok_s"] == 400.0
    assert data["ratio_prefill_512"] == 10.0
    assert data["peer_q4_0_prefill_512_tok_s"] == 1000.0
    assert data["ratio_q4_0_prefill_512"] == 4.0
    assert data["peer_build"] == "abc (7)"
    assert data["decode_0_share"] == pytest.approx(100e6 * 400 / 50.123456e9, rel=1e-3)
    assert data["tokenize_tok_s"] == 1_235_000
    assert data["samples"]["prefill_512_tok_s"] == [4000.0, 3000.0, 9000.0]
    assert set(shares(report)) == {"prefill_512_tok_s", "decode_0_tok_s", "batch16_tok_s", "ttft_ms"}


def test_json_file(report: Report, tmp_path: Path) -> None:
    write_json(report, tmp_path / "figures.json")
    assert json.loads((tmp_path / "figures.json").read_text()) == as_json(report)
    with pytest.raises(ConfigError, match="--json"):
        write_json(report, tmp_path)


def test_table(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(report)
    text = capsys.readouterr().out
    assert "sparrow [small]" in text
    assert "50.1 GB/s read, 1.00 int8 TOPS" in text
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "4,000 tok/s" in rows["prefill_512"]
    assert "3,000 .. 9,000" in rows["prefill_512"]
    assert rows["prefill_512"].split()[-4:] == ["400", "10.0x", "1,000", "4.0x"]
    assert "80%" in rows["decode_0"]
    assert "50 ms" in rows["ttft"]
