"""What asking the questions gave, as tables for people and as JSON, with the limits that it is held to."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spatz import __version__
from spatz.commands.json_file import write_json_file
from spatz.evals.search.answers import Asked

__all__ = ["LIMITS", "Report", "Section", "Sums", "as_json", "print_report", "quantile", "share", "write_json"]

LIMITS = {"hit_5": 0.95, "said": 0.85, "precision": 0.95, "offsets": 1.0}
FIRST_TOKEN_SECONDS = 1.5


def share(flags: Iterable[bool]) -> float | None:
    known = list(flags)
    return sum(known) / len(known) if known else None


def quantile(values: Sequence[float], part: float) -> float | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None


@dataclass(frozen=True, slots=True)
class Sums:
    """Over some questions that have an answer; precision and offsets over all citations of theirs."""

    questions: int
    hit_1: float | None
    hit_5: float | None
    read: float | None
    shown: float | None
    said: float | None
    precision: float | None
    recall: float | None  # of the answers with the fact, those that cite the right page for it
    offsets: float | None
    says_so: float | None  # that nothing was found
    cites: int

    @classmethod
    def of(cls, asked: Sequence[Asked]) -> Sums:
        cites = [cite for item in asked for cite in item.cites]
        return cls(
            len(asked),
            share(item.place == 1 for item in asked),
            share(item.place is not None and item.place <= 5 for item in asked),
            share(item.read for item in asked),
            share(item.shown for item in asked),
            share(item.said for item in asked),
            share(cite.true for cite in cites),
            share(item.cited for item in asked if item.said),
            share(not cite.fault for cite in cites),
            share(item.says_so for item in asked),
            len(cites),
        )


@dataclass(frozen=True, slots=True)
class Section:
    """What another task found: lines for people, its figures, and what of it failed that must not."""

    name: str
    lines: tuple[str, ...]
    figures: dict[str, Any]
    missed: tuple[str, ...] = ()


@dataclass
class Report:
    settings: dict[str, Any]
    asked: list[Asked] = field(default_factory=list)
    nowhere: list[Asked] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    index: dict[str, Any] = field(default_factory=dict)  # what making it came to

    def by(self, key: Callable[[Asked], str]) -> dict[str, Sums]:
        groups: dict[str, list[Asked]] = {}
        for item in self.asked:
            groups.setdefault(key(item), []).append(item)
        return {name: Sums.of(group) for name, group in groups.items()}

    def times(self) -> dict[str, float | None]:
        """Seconds: medians, and of the first token what 95 of 100 stay below."""
        first = [item.answered.first_token for item in self.asked if item.answered.first_token is not None]
        searches = [item.answered.search for item in self.asked if item.answered.search]
        providers = [max((one["seconds"] for one in search["providers"]), default=0.0) for search in searches]
        return {
            "first_token_median": statistics.median(first) if first else None,
            "first_token_p95": quantile(first, 0.95),
            "search_and_reading_median": _median([search["seconds"] for search in searches]),
            "providers_median": _median(providers),
            "whole_median": _median([item.answered.seconds for item in self.asked]),
            "pages_read_mean": statistics.fmean(len(item.answered.pages) for item in self.asked)
            if self.asked
            else None,
            "prompt_tokens_median": _median([item.answered.prompt_tokens for item in self.asked]),
            "output_tokens_median": _median([item.answered.output_tokens for item in self.asked]),
        }

    def missed(self) -> list[str]:
        """The limits that were measured and not kept."""
        found = []
        if self.asked:
            sums = asdict(Sums.of(self.asked))
            found += [
                f"{name}: {sums[name]:.1%}, and at least {least:.0%} is wanted"
                for name, least in LIMITS.items()
                if sums[name] is not None and sums[name] < least
            ]
            first = self.times()["first_token_median"]
            if first is not None and first >= FIRST_TOKEN_SECONDS:
                found.append(f"first token: {first:.2f} s, and less than {FIRST_TOKEN_SECONDS} s is wanted")
        if self.index.get("private_pages"):
            found.append("a page was indexed that robots.txt asks not to read")
        return found + [line for section in self.sections for line in section.missed]

    def failures(self) -> list[str]:
        """Answers that broke, and streams that disagree with their end."""
        lost = [f"{item.question.id}: {item.answered.error}" for item in self._all if item.answered.error]
        return lost + [f"{item.question.id}: {fault}" for item in self._all for fault in item.answered.faults]

    @property
    def _all(self) -> list[Asked]:
        return [*self.asked, *self.nowhere]


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def as_json(report: Report) -> dict[str, Any]:
    return {
        "version": __version__,
        **report.settings,
        "all": asdict(Sums.of(report.asked)) if report.asked else None,
        "by_kind": {name: asdict(sums) for name, sums in report.by(lambda item: item.question.kind).items()},
        "by_wording": {name: asdict(sums) for name, sums in report.by(lambda item: item.question.how).items()},
        "lost": _lost(report),
        "nowhere": _says_so(report),
        "times": report.times() if report.asked else None,
        "answers": [item.body() for item in (*report.asked, *report.nowhere)],
        **{section.name: section.figures for section in report.sections},
        "index": report.index or None,
        "failures": report.failures(),
        "limits_missed": report.missed(),
    }


def _lost(report: Report) -> dict[str, int]:
    steps = [item.lost for item in report.asked]
    return {step: steps.count(step) for step in dict.fromkeys(steps) if step}


def _says_so(report: Report) -> dict[str, float | None]:
    kinds = ("subject", "detail")
    found = {kind: share(item.says_so for item in report.nowhere if item.question.kind == kind) for kind in kinds}
    return {"all": share(item.says_so for item in report.nowhere), **found}


def write_json(report: Report, path: Path) -> None:
    write_json_file(as_json(report), path)


def print_report(report: Report) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
    if report.index:
        line = f"indexed {report.index['added']} pages of the site in {report.index['seconds']} s"
        console.print(line, markup=False, highlight=False)
    if report.asked:
        console.print(_table(report))
        for line in _lines(report):
            console.print(line, markup=False, highlight=False)
    for section in report.sections:
        console.print(section.name, markup=False, highlight=False)
        for line in section.lines:
            console.print(f"  {line}", markup=False, highlight=False)
    for line in (*report.failures(), *report.missed()):
        console.print(f"- {line}", markup=False, highlight=False)


def _lines(report: Report) -> list[str]:
    lines = [f"lost: {', '.join(f'{step} {count}' for step, count in _lost(report).items()) or 'nothing'}"]
    if report.nowhere:
        told = _says_so(report)
        parts = ", ".join(f"{name} {_percent(value)}" for name, value in told.items())
        lines.append(f"{len(report.nowhere)} questions without an answer, of which it says so: {parts}")
    times = report.times()
    seconds = {name: value for name, value in times.items() if not name.endswith(("_mean", "tokens_median"))}
    lines.append(
        "seconds: " + ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in seconds.items())
    )
    others = {name: value for name, value in times.items() if name not in seconds}
    lines.append(", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in others.items()))
    for item in report.asked:
        if item.lost:
            said = " ".join(item.answered.text.split())
            lines.append(f"  {item.lost}: {item.question.id}: {item.question.text} -> {said[:100]}")
    for item in report.nowhere:
        if not item.says_so:
            said = " ".join(item.answered.text.split())
            lines.append(f"  made up: {item.question.id}: {item.question.text} -> {said[:100]}")
    for item in (*report.asked, *report.nowhere):
        lines += [
            f"  untrue: {item.question.id}: {cite.url}: {cite.claim[:120]!r}" for cite in item.cites if not cite.true
        ]
        lines += [f"  offsets {cite.fault}: {item.question.id}" for cite in item.cites if cite.fault]
    return lines


def _table(report: Report) -> Any:
    from rich.table import Table

    names = ("hit_1", "hit_5", "read", "shown", "said", "precision", "recall", "offsets", "says_so")
    table = Table(box=None, pad_edge=False)
    table.add_column("questions")
    for heading in ("", "hit@1", "hit@5", "read", "shown", "said", "cites true", "cited", "offsets", "says so"):
        table.add_column(heading, justify="right")
    groups = {**report.by(lambda item: item.question.kind), **report.by(lambda item: item.question.how)}
    for name, sums in {**groups, "all": Sums.of(report.asked)}.items():
        table.add_row(name, str(sums.questions), *(_percent(getattr(sums, each)) for each in names))
    return table


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"
