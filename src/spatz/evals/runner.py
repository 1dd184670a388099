"""Asks every question of a plan and scores the answers; one after another, because prompts fill the model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from spatz.errors import SpatzError
from spatz.evals.asking import Asker
from spatz.evals.case import Case
from spatz.evals.perplexity import KINDS, Perplexity, bins, document_tokens
from spatz.evals.plan import PERPLEXITY, TASKS, Plan
from spatz.evals.report import Cell, Item, Report
from spatz.evals.writer import Writer

__all__ = ["run_plan"]

Tell = Callable[[str], None]

_GIVE_UP = 3  # questions of one task and length that fail before any is answered


def run_plan(plan: Plan, writer: Writer, asker: Asker, report: Report, tell: Tell, done: Callable[[], None]) -> None:
    """done: called after each task at each length, when the report is as far as that. What ends the run early leaves a
    report of what was answered until then.
    """
    for length in plan.lengths:
        for task in plan.tasks:
            if task == PERPLEXITY:
                for kind in KINDS:
                    tell(f"perplexity of {kind} at {length:,} tokens")
                    report.perplexity.append(_perplexity(asker, writer, kind, length, plan.needles.seed))
            else:
                cell = Cell(task, length)
                report.cells.append(cell)
                try:
                    _run_cell(cell, plan, writer, asker, tell)
                except BaseException:
                    cell.problem = f"broken off after {len(cell.items)} of {plan.needles.count} questions"
                    raise
            done()


def _run_cell(cell: Cell, plan: Plan, writer: Writer, asker: Asker, tell: Tell) -> None:
    total = plan.needles.count
    cases = TASKS[cell.task](writer, cell.length, plan.needles)
    while True:
        right = sum(item.score for item in cell.items)
        tell(f"{cell.task} at {cell.length:,} tokens: {len(cell.items) + 1} of {total}, {right:g} right")
        try:
            case = next(cases, None)
        except SpatzError as error:  # a length into which the task does not go
            cell.problem = str(error)
            break
        if case is None:
            break
        cell.items.append(_ask(asker, case, plan.prefixed))
        cell.repeated = max(cell.repeated, case.repeated)
        if len(cell.items) >= _GIVE_UP and cell.score is None:
            cell.skipped = total - len(cell.items)
            break


def _ask(asker: Asker, case: Case, prefixed: bool) -> Item:
    reply = asker.ask(case.messages, case.max_tokens, case.prefix if prefixed else "")
    # What the prefix gave away is no answer.
    score = 0.0 if reply.error else case.score(reply.text, case.expected)
    return Item(
        key=case.key,
        depth=case.depth,
        expected=case.expected,
        answer=reply.text,
        score=score,
        prompt_tokens=reply.prompt_tokens,
        counted_tokens=reply.counted_tokens,
        cached_tokens=reply.cached_tokens,
        seconds=round(reply.seconds, 4),
        mode=reply.mode,
        blocks=reply.blocks,
        error=reply.error,
    )


def _perplexity(asker: Asker, writer: Writer, kind: str, length: int, seed: int) -> Perplexity:
    tokens, repeated = document_tokens(writer.corpus, kind, length, seed)  # type: ignore[arg-type]
    start = time.perf_counter()
    try:
        found = asker.logprobs(tokens)
        if len(found) != len(tokens) - 1 or not all(map(math.isfinite, found)):
            raise SpatzError(
                f"log-probabilities of {len(found)} tokens, or not finite ones, came for {len(tokens) - 1}"
            )
    except SpatzError as error:
        return Perplexity(kind, length, (), time.perf_counter() - start, repeated, str(error)[:400])
    return Perplexity(kind, length, bins(found), time.perf_counter() - start, repeated)
