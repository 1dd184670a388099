"""What was measured of a long prompt, beside what it should be: JSON and a table. Measures nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from spatz import __version__
from spatz.commands.json_file import write_json_file

__all__ = ["TARGETS", "LongReport", "Target"]

Value = float | int | bool

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Target:
    relation: Literal["<=", "<", ">=", "is"]
    value: Value
    per_million: bool = False  # it is that of a million tokens, and less for fewer

    def bound(self, tokens: int) -> Value:
        return self.value * min(1.0, tokens / MILLION) if self.per_million else self.value

    def met(self, measured: Value, tokens: int) -> bool:
        bound = self.bound(tokens)
        match self.relation:
            case "<=":
                return measured <= bound
            case "<":
                return measured < bound
            case ">=":
                return measured >= bound
            case "is":
                return measured == bound


TARGETS: Mapping[str, Target] = {
    "routed_first_token_s": Target("<=", 480.0, per_million=True),
    "routed_right": Target("is", True),
    "short_first_token_p95_ms": Target("<", 300.0),
    "memory_anonymous_mb": Target("<=", 4000.0),
    "second_first_token_s": Target("<=", 0.5),
    "second_right": Target("is", True),
    "decode_tok_s": Target(">=", 100.0),
    "again_first_token_s": Target("<=", 0.5),
    "again_same_answer": Target("is", True),
    "skim_first_token_s": Target("<=", 10.0),
}

# key -> what it is, in the order of the table.
_ROWS: Mapping[str, str] = {
    "body_mb": "the request's body",
    "routed_first_token_s": "routed: first token",
    "routed_tok_s": "routed: tokens of the prompt a second",
    "routed_right": "routed: the fact is found",
    "short_alone_p50_ms": "a short request alone: first token, median",
    "short_sent": "short requests during the long one",
    "short_first_token_p50_ms": "their first token, median",
    "short_first_token_p95_ms": "their first token, 95 of 100",
    "memory_anonymous_mb": "most memory of the server, without files",
    "memory_files_mb": "most of mapped files in memory",
    "memory_shared_mb": "most of shared memory",
    "cache_mb": "the cache on disk",
    "second_first_token_s": "second question: first token",
    "second_before_engine_s": "second question: until the engine has it",
    "second_cached_tokens": "second question: tokens found again",
    "second_right": "second question: the fact is found",
    "decode_tok_s": "decode after it",
    "restart_s": "start after kill -9",
    "again_first_token_s": "the same after kill -9: first token",
    "again_before_engine_s": "the same after kill -9: until the engine has it",
    "again_cached_tokens": "the same after kill -9: tokens found again",
    "again_same_answer": "the same after kill -9: same answer",
    "cancel_idle_s": "a client leaves: until nothing runs",
    "skim_first_token_s": "skim: first token, median",
    "skim_best_first_token_s": "skim: first token, best",
    "skim_right": "skim: facts found",
}


@dataclass
class LongReport:
    model: str
    tokens: int  # of the prompt and room for its answer
    repeated: int = 0  # of them, text that had come before
    skims: int = 1
    figures: dict[str, Value] = field(default_factory=dict)  # by the keys of _ROWS

    @property
    def missed(self) -> list[str]:
        return [
            key
            for key, target in TARGETS.items()
            if key in self.figures and not target.met(self.figures[key], self.tokens)
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "model": self.model,
            "context": self.tokens,
            "repeated_tokens": self.repeated,
            **{key: _rounded(self.figures[key]) for key in _ROWS if key in self.figures},
            "targets": {key: target.bound(self.tokens) for key, target in TARGETS.items()},
            "missed": self.missed,
        }

    def write_json(self, path: Path) -> None:
        write_json_file(self.as_json(), path)

    def print_table(self) -> None:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for column in ("", "measured", "wanted"):
            table.add_column(column, justify="right" if column else "left")
        table.add_column("")
        missed = self.missed
        for key, label in _ROWS.items():
            if key not in self.figures:
                continue
            target = TARGETS.get(key)
            wanted = "" if target is None else f"{target.relation} {self._shown(key, target.bound(self.tokens))}"
            table.add_row(label, self._shown(key, self.figures[key]), wanted, "missed" if key in missed else "")
        # Wide when it is piped into another program: what is wrapped cannot be searched.
        console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
        console.print(f"{self.model}, a prompt and answer of {self.tokens:,} tokens\n", markup=False)
        console.print(table)
        if self.repeated:
            console.print(f"\n{self.repeated:,} tokens of the text had come in it before: this machine has no more.")

    def _shown(self, key: str, value: Value) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if key == "skim_right":
            return f"{value} of {self.skims}"
        unit = next((unit for suffix, unit in _UNITS.items() if key.endswith(suffix)), "")
        number = f"{value:,.0f}" if isinstance(value, int) or value >= 100 else f"{value:.3g}"
        return f"{number} {unit}".strip()


_UNITS = {"_tok_s": "tok/s", "_ms": "ms", "_mb": "MB", "_s": "s"}


def _rounded(value: Value) -> Value:
    """Four digits: more of them would be noise."""
    return float(f"{value:.4g}") if isinstance(value, float) else value
