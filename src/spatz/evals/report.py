"""What a run found: every answer with its score, sums of them, and how they are shown as a table and as JSON."""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spatz import __version__
from spatz.commands.json_file import write_json_file
from spatz.evals.haystack import Counted
from spatz.evals.perplexity import Perplexity

__all__ = ["Cell", "Item", "Report", "as_json", "print_report", "write_json"]


@dataclass(frozen=True, slots=True)
class Item:
    """One question and its answer."""

    key: str
    depth: float | None
    expected: tuple[str, ...]
    answer: str
    score: float
    prompt_tokens: int  # as the one who was asked counts them
    counted_tokens: int  # as this machine does
    cached_tokens: int
    seconds: float
    mode: str
    blocks: int
    error: str


@dataclass
class Cell:
    """One task at one length."""

    task: str
    length: int
    repeated: int = 0  # the most tokens of a text that had come in it before
    items: list[Item] = field(default_factory=list)
    problem: str = ""  # why there are fewer questions than wanted
    skipped: int = 0  # questions that were not asked any more, because all before them had failed

    @property
    def score(self) -> float | None:
        """The mean; a question that got an error instead of an answer is wrong. None: they all did."""
        if all(item.error for item in self.items):
            return None
        return statistics.fmean(item.score for item in self.items)

    @property
    def errors(self) -> int:
        return sum(bool(item.error) for item in self.items)

    def by_depth(self, parts: int) -> list[float | None]:
        """Mean scores over equal parts of the text; None where no fact lies."""
        found: list[list[float]] = [[] for _ in range(parts)]
        for item in self.items:
            if item.depth is not None and not item.error:
                found[min(parts - 1, int(item.depth * parts))].append(item.score)
        return [statistics.fmean(scores) if scores else None for scores in found]


@dataclass
class Report:
    asked: str  # who
    settings: dict[str, Any]  # what was measured and how: context, form, seed, ...
    lengths: tuple[int, ...]
    depths: int
    cells: list[Cell] = field(default_factory=list)
    perplexity: list[Perplexity] = field(default_factory=list)
    text: Counted | None = None  # what there is to make texts of, where it was counted

    @property
    def answered(self) -> bool:
        return bool(self.perplexity) or any(cell.items for cell in self.cells)


def as_json(report: Report) -> dict[str, Any]:
    return {
        "version": __version__,
        "asked": report.asked,
        **report.settings,
        "text": asdict(report.text) if report.text else None,
        "tasks": [
            {
                "task": cell.task,
                "length": cell.length,
                "score": None if cell.score is None else round(cell.score, 4),
                "questions": len(cell.items),
                "errors": cell.errors,
                "skipped": cell.skipped,
                "problem": cell.problem,
                "repeated_tokens": cell.repeated,
                "modes": dict(Counter(item.mode for item in cell.items if item.mode)),
                "by_depth": cell.by_depth(report.depths),
                "items": [asdict(item) for item in cell.items],
            }
            for cell in report.cells
        ],
        "perplexity": [
            {
                "kind": curve.kind,
                "length": curve.length,
                "nll": None if curve.error else round(curve.nll, 4),
                "seconds": round(curve.seconds, 3),
                "repeated_tokens": curve.repeated,
                "error": curve.error,
                "bins": [{**asdict(item), "perplexity": round(item.perplexity, 4)} for item in curve.bins],
            }
            for curve in report.perplexity
        ],
    }


def write_json(report: Report, path: Path) -> None:
    write_json_file(as_json(report), path, indent=1)


def print_report(report: Report) -> None:
    from rich.console import Console

    # Wide when it is piped into another program: what is wrapped cannot be searched.
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(f"{report.asked}: " + ", ".join(f"{k} {v}" for k, v in report.settings.items()), markup=False)
    if report.text is not None:
        tokens = " and ".join(f"{count:,} tokens of {kind}" for kind, count in report.text.tokens.items())
        console.print(f"text without repeating a paragraph: {tokens} in {report.text.documents:,} documents")
    if report.cells:
        console.print(_scores(report))
    for line in _notes(report):
        console.print(f"- {line}", markup=False)
    if report.perplexity:
        console.print(_curves(report))


def _scores(report: Report) -> Any:
    from rich.table import Table

    cells = {(cell.task, cell.length): cell for cell in report.cells}
    table = Table(box=None, pad_edge=False)
    table.add_column("score (questions)")
    for length in report.lengths:
        table.add_column(f"{length:,}", justify="right")
    for task in dict.fromkeys(cell.task for cell in report.cells):
        row = [cells.get((task, length)) for length in report.lengths]
        table.add_row(task, *(_shown(cell) for cell in row))
    return table


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if not cell.items:
        return "error"
    return "error" if cell.score is None else f"{cell.score:.1%} ({len(cell.items)})"


def _notes(report: Report) -> list[str]:
    lines = []
    for cell in report.cells:
        where = f"{cell.task} at {cell.length:,}"
        times = [item.seconds for item in cell.items if not item.error]
        if times:
            modes = Counter(item.mode for item in cell.items if item.mode)
            how = " and ".join(modes) or "as the server reads prompts"
            lines.append(f"{where}: {how}; seconds an answer {statistics.median(times):.2f}, at most {max(times):.2f}")
        if cell.errors:
            first = next(item.error for item in cell.items if item.error)
            asked = f"{cell.errors} of {len(cell.items)} questions failed"
            lines.append(f"{where}: {asked}" + (f", {cell.skipped} were not asked" * bool(cell.skipped)) + f": {first}")
        other = [item for item in cell.items if item.prompt_tokens and item.prompt_tokens != item.counted_tokens]
        if other:
            most = max(other, key=lambda item: abs(item.prompt_tokens - item.counted_tokens))
            lines.append(
                f"{where}: the server counts {most.prompt_tokens:,} tokens in a prompt of {most.counted_tokens:,}: it "
                "cuts prompts short, or has another tokenizer or template than --model"
            )
        if cell.problem:
            lines.append(f"{where}: {cell.problem}")
        if cell.repeated:
            lines.append(f"{where}: up to {cell.repeated:,} tokens of the text repeat what came before")
    for curve in report.perplexity:
        if curve.error:
            lines.append(f"perplexity of {curve.kind} at {curve.length:,}: {curve.error}")
        if curve.repeated:
            lines.append(f"perplexity of {curve.kind} at {curve.length:,}: {curve.repeated:,} tokens repeat others")
    return lines


def _curves(report: Report) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    curves = [curve for curve in report.perplexity if curve.bins]
    table.add_column("perplexity from")
    for curve in curves:
        table.add_column(f"{curve.kind} {curve.length:,}", justify="right")
    starts = sorted({item.start for curve in curves for item in curve.bins})
    for start in starts:
        row = [next((item for item in curve.bins if item.start == start), None) for curve in curves]
        table.add_row(f"{start:,}", *("" if item is None else f"{item.perplexity:.3f}" for item in row))
    table.add_row("all", *(f"{2.718281828459045**curve.nll:.3f}" for curve in curves))
    return table
