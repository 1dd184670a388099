"""What reading the documents gave, as tables for people and as JSON, with the limits that it is held to."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spatz import __version__
from spatz.commands.json_file import write_json_file
from spatz.evals.documents.damage import Damage
from spatz.evals.documents.fields import Answer
from spatz.evals.documents.reading import Read
from spatz.evals.documents.speed import Speed

__all__ = ["LIMITS", "Report", "Sums", "as_json", "print_report", "write_json"]

WHOLE = ("pdf", "scan", "clean")  # nothing was done to the page
LIMITS = {"clean character errors": 0.01, "degraded character errors": 0.06, "clean cells": 0.97, "fields": 0.90}


@dataclass(frozen=True, slots=True)
class Sums:
    """Over some documents: errors and characters are added up, so that long texts weigh more."""

    documents: int
    failed: int
    character_errors: float | None
    precision: float | None  # of the cells of tables
    recall: float | None
    cells_f1: float | None
    pairs: float | None
    seconds: float | None  # the median

    @classmethod
    def of(cls, reads: Iterable[Read]) -> Sums:
        reads = list(reads)
        scores = [read.score for read in reads if read.score is not None]
        characters = sum(score.characters for score in scores)
        right = sum(score.cells.right for score in scores)
        found, wanted = (sum(getattr(score.cells, name) for score in scores) for name in ("found", "wanted"))
        pairs = sum(score.pairs_wanted for score in scores)
        times = [read.seconds for read in reads if read.score is not None]
        return cls(
            len(reads),
            len(reads) - len(scores),
            sum(score.edits for score in scores) / characters if characters else None,
            right / found if found else (0.0 if wanted else None),
            right / wanted if wanted else None,
            2 * right / (found + wanted) if wanted else None,
            sum(score.pairs for score in scores) / pairs if pairs else None,
            statistics.median(times) if times else None,
        )


@dataclass
class Report:
    settings: dict[str, Any]
    reads: list[Read] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    asked: str = ""  # who answered
    speed: Speed | None = None
    damage: Damage | None = None

    def by(self, key: Callable[[Read], tuple[str, ...]]) -> dict[tuple[str, ...], Sums]:
        groups: dict[tuple[str, ...], list[Read]] = {}
        for read in self.reads:
            groups.setdefault(key(read), []).append(read)
        return {name: Sums.of(reads) for name, reads in groups.items()}

    def fields(self, form: str | None = None) -> float | None:
        chosen = [answer for answer in self.answers if form in (None, answer.form)]
        flags = [right for answer in chosen for right in answer.right.values()]
        return sum(flags) / len(flags) if flags else None

    def failures(self) -> list[str]:
        """Documents that could not be read, and questions that got an error."""
        lost = [f"{read.name}, {read.condition}: {read.error}" for read in self.reads if read.error]
        lost += [f"{answer.name}, {answer.form}: {answer.error}" for answer in self.answers if answer.error]
        return lost + (self.damage.failed if self.damage else [])

    def missed(self) -> list[str]:
        """The limits that were measured and not kept."""
        whole = Sums.of(read for read in self.reads if read.condition in WHOLE)
        spoiled = Sums.of(read for read in self.reads if read.condition not in WHOLE)
        measured: list[tuple[str, float | None, int]] = [
            ("clean character errors", whole.character_errors, -1),
            ("degraded character errors", spoiled.character_errors, -1),
            ("clean cells", whole.cells_f1, 1),
        ]
        measured += [("fields", self.fields(form), 1) for form in dict.fromkeys(answer.form for answer in self.answers)]
        return [
            f"{name}: {_percent(value)}, and {'at least' if sign > 0 else 'at most'} {LIMITS[name]:.0%} is wanted"
            for name, value, sign in measured
            if value is not None and sign * value < sign * LIMITS[name]
        ]


def as_json(report: Report) -> dict[str, Any]:
    groups = {
        "by_condition": report.by(lambda read: (read.condition,)),
        "by_kind": report.by(lambda read: (read.kind, "whole" if read.condition in WHOLE else "degraded")),
        "by_kind_and_condition": report.by(lambda read: (read.kind, read.condition)),
        "by_language": report.by(lambda read: (read.language,)),
    }
    return {
        "version": __version__,
        **report.settings,
        **{name: {" ".join(key): asdict(sums) for key, sums in group.items()} for name, group in groups.items()},
        "reads": [asdict(read) for read in report.reads],
        "asked": report.asked,
        "fields": {form: report.fields(form) for form in dict.fromkeys(answer.form for answer in report.answers)},
        "answers": [asdict(answer) for answer in report.answers],
        "speed": asdict(report.speed) if report.speed else None,
        "damage": asdict(report.damage) if report.damage else None,
        "limits_missed": report.missed(),
    }


def write_json(report: Report, path: Path) -> None:
    write_json_file(as_json(report), path, indent=1)


def print_report(report: Report) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    if report.reads:
        console.print(_sums("kind", report.by(lambda read: (read.kind, _part(read)))))
        console.print(_sums("condition", report.by(lambda read: (read.condition,))))
        console.print(_errors(report))
    if report.answers:
        console.print(f"fields of invoices, asked of {report.asked}", markup=False)
        console.print(_answers(report))
    if report.speed is not None:
        for line in report.speed.lines():
            console.print(line, markup=False)
    if report.damage is not None:
        console.print(report.damage.line(), markup=False)
    for line in (*report.failures(), *report.missed()):
        console.print(f"- {line}", markup=False)


def _part(read: Read) -> str:
    return "whole" if read.condition in WHOLE else "degraded"


def _sums(title: str, groups: dict[tuple[str, ...], Sums]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(title)
    for heading in (
        "documents",
        "character errors",
        "cells F1",
        "precision",
        "recall",
        "labels with values",
        "seconds",
    ):
        table.add_column(heading, justify="right")
    for name, sums in groups.items():
        shown = f"{sums.documents}" + f" ({sums.failed} failed)" * bool(sums.failed)
        parts = (sums.character_errors, sums.cells_f1, sums.precision, sums.recall, sums.pairs)
        seconds = "" if sums.seconds is None else f"{sums.seconds:.2f}"
        table.add_row(" ".join(name), shown, *map(_percent, parts), seconds)
    return table


def _errors(report: Report) -> Any:
    from rich.table import Table

    groups = report.by(lambda read: (read.kind, read.condition))
    conditions = list(dict.fromkeys(read.condition for read in report.reads))
    table = Table(box=None, pad_edge=False)
    table.add_column("character errors")
    for condition in conditions:
        table.add_column(condition, justify="right")
    for kind in dict.fromkeys(read.kind for read in report.reads):
        sums = [groups.get((kind, condition)) for condition in conditions]
        table.add_row(kind, *(_percent(one.character_errors if one else None) for one in sums))
    return table


def _answers(report: Report) -> Any:
    from rich.table import Table

    names: Sequence[str] = list(report.answers[0].right)
    table = Table(box=None, pad_edge=False)
    table.add_column("right")
    for heading in (*names, "all"):
        table.add_column(heading, justify="right")
    for form, language in dict.fromkeys((answer.form, answer.language) for answer in report.answers):
        chosen = [item for item in report.answers if (item.form, item.language) == (form, language)]
        shares = [sum(item.right[name] for item in chosen) / len(chosen) for name in names]
        table.add_row(f"{form} {language} ({len(chosen)})", *map(_percent, (*shares, sum(shares) / len(shares))))
    for one in dict.fromkeys(answer.form for answer in report.answers):
        table.add_row(f"{one} all", *[""] * len(names), _percent(report.fields(one)))
    return table


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
