"""The figures, what follows from them (medians, shares, ratios), and how they are shown: JSON and a table."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatz import __version__
from spatz.bench.limits import Limits, Work
from spatz.bench.plan import Plan
from spatz.commands.json_file import write_json_file

__all__ = ["Figure", "Report", "as_json", "print_table", "shares", "write_json"]


@dataclass(frozen=True, slots=True)
class Figure:
    samples: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


@dataclass
class Report:
    limits: Limits
    threads: int
    isa: str
    model: str
    format: str
    plan: Plan
    work: Work | None = None
    figures: dict[str, Figure] = field(default_factory=dict)  # by key, with the unit at its end
    peers: dict[str, dict[str, Figure]] = field(default_factory=dict)  # label -> measurement -> tokens a second
    peer_builds: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def shares(report: Report) -> dict[str, float]:
    """Key -> part of what the machine could do, for the figures that have such a limit."""
    work, limits, plan = report.work, report.limits, report.plan
    if work is None:
        return {}
    median = {key: figure.median for key, figure in report.figures.items()}
    found = {}
    for size in plan.prefill:
        found[f"prefill_{size}_tok_s"] = work.prefill_share(size, median[f"prefill_{size}_tok_s"], limits)
    for depth in plan.decode:
        found[f"decode_{depth}_tok_s"] = work.decode_share(depth, median[f"decode_{depth}_tok_s"], limits)
    if plan.batch and "batch16_tok_s" in median:
        requests, prompt, generated = plan.batch
        seconds = requests * (prompt + generated) / median["batch16_tok_s"]
        found["batch16_tok_s"] = work.batch_share(requests, prompt, generated, seconds, limits)
    if "ttft_ms" in median:
        found["ttft_ms"] = work.first_token_share(plan.ttft_prompt, median["ttft_ms"] / 1000, limits)
    return found


def as_json(report: Report) -> dict[str, Any]:
    """Flat, but for the machine. A peer's keys are peer_[LABEL_]NAME_tok_s and ratio_[LABEL_]NAME: ours over its."""
    data: dict[str, Any] = {
        "machine": {
            "read_gb_s": _rounded(report.limits.read_gb_s),
            "int8_tops": _rounded(report.limits.int8_tops),
            "threads": report.threads,
            "isa": report.isa,
        },
        "version": __version__,
        "model": report.model,
        "format": report.format,
        "runs": report.plan.runs,
    }
    for key, figure in report.figures.items():
        data[key] = _rounded(figure.median)
    for key, share in shares(report).items():
        data[_name(key) + "_share"] = _rounded(share)
    for label, figures in report.peers.items():
        prefix = f"{label}_" if label else ""
        data[f"peer_{prefix}build"] = report.peer_builds.get(label, "")
        for name, figure in figures.items():
            data[f"peer_{prefix}{name}_tok_s"] = _rounded(figure.median)
            data[f"ratio_{prefix}{name}"] = _rounded(report.figures[f"{name}_tok_s"].median / figure.median)
    data["samples"] = {key: [_rounded(sample) for sample in figure.samples] for key, figure in report.figures.items()}
    return data


def write_json(report: Report, path: Path) -> None:
    write_json_file(as_json(report), path)


def print_table(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for column in ("spatz", "spread", "of the limit"):
        table.add_column(column, justify="right")
    for label in report.peers:
        table.add_column(f"peer {label}".strip(), justify="right")
        table.add_column("ratio", justify="right")
    of_limit = shares(report)
    for key, figure in report.figures.items():
        name, unit = _name(key), _unit(key)
        spread = f"{min(figure.samples):,.4g} .. {max(figure.samples):,.4g}" if len(figure.samples) > 1 else ""
        cells = [name, f"{_number(figure.median)} {unit}", spread, f"{of_limit[key]:.0%}" if key in of_limit else ""]
        for figures in report.peers.values():
            theirs = figures.get(name)
            cells += ["", ""] if theirs is None else [_number(theirs.median), f"{figure.median / theirs.median:.1f}x"]
        table.add_row(*cells)
    # Wide when it is piped into another program: what is wrapped cannot be searched.
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(f"{report.model}, {report.format}, {report.threads} threads, {report.isa}", markup=False)
    console.print(f"the machine: {report.limits.read_gb_s:.1f} GB/s read, {report.limits.int8_tops:.2f} int8 TOPS\n")
    console.print(table)


def _name(key: str) -> str:
    for unit in ("_tok_s", "_ms", "_mb", "_s"):
        if key.endswith(unit):
            return key.removesuffix(unit)
    return key


def _unit(key: str) -> str:
    return {"tok_s": "tok/s", "ms": "ms", "mb": "MB", "s": "s"}[key.removeprefix(_name(key) + "_")]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _rounded(value: float) -> float:
    """Four digits: more of them would be noise."""
    return float(f"{value:.4g}")
