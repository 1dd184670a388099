"""`spatz cost`: what a million tokens cost on this machine, at the price that an hour of it has."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from spatz.commands.shared import configured, set_up_logging
from spatz.config import Settings

if TYPE_CHECKING:
    from spatz.bench.cost import CostPlan
    from spatz.bench.prices import Price

__all__ = ["cost"]


@configured("model", "engine")
def cost(
    settings: Settings,
    context: typer.Context,
    hourly: float = typer.Option(..., "--hourly", metavar="PRICE", help="What an hour of this machine costs."),
    currency: str = typer.Option("USD", "--currency", help="The currency of --hourly; it is shown, nothing more."),
    runs: int = typer.Option(3, "--runs", min=1, max=100, help="Runs of each measurement; their median counts."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON object."),
) -> None:
    """Measure the model on this machine, and say what a million tokens cost, beside the price of gpt-4.1-nano.

    The machine is taken to be busy all the time with what a row says and with nothing else: an hour without requests
    costs as much. Answers are 128 tokens after a prompt of 16, whose time is part of theirs. A cached token is one of a
    prompt's beginning that was asked before; the time includes the one token that has to be computed.
    """
    from spatz.bench.cost import CostPlan, measure_speeds
    from spatz.bench.prices import check_currency, check_hourly, prices
    from spatz.bench.progress import showing
    from spatz.commands.fetch import fetched
    from spatz.server.local import local_model

    set_up_logging("warning", context.obj.on)
    check_hourly(hourly)
    currency = check_currency(currency)
    path = fetched(settings)
    with showing() as tell:
        tell("loading the model")
        with local_model(settings, path) as model:
            plan = CostPlan(runs=runs).within(model.context_length, settings.max_batch)
            speeds = measure_speeds(model, plan, tell)
            about = {"model": model.name, "format": model.format, **model.core}
    found = prices(speeds, hourly, currency)
    if as_json:
        print(json.dumps(_as_json(found, about, plan, hourly, currency), ensure_ascii=False))
    else:
        _table(found, about, plan, hourly, currency)


def _as_json(
    found: Sequence[Price], about: Mapping[str, object], plan: CostPlan, hourly: float, currency: str
) -> dict[str, object]:
    return {
        **about,
        "hourly": hourly,
        "currency": currency,
        "answer_tokens": plan.answer,
        "answer_prompt_tokens": plan.answer_prompt,
        "rows": [
            {
                "name": price.speed.name,
                "kind": price.speed.kind,
                "assumes": price.speed.assumes,
                "tok_s": _rounded(price.speed.tok_s),
                "per_million_tokens": _rounded(price.per_million),
                "gpt_4_1_nano_usd": price.peer,
                "ratio": None if price.ratio is None else _rounded(price.ratio),
            }
            for price in found
        ],
    }


def _table(found: Sequence[Price], about: Mapping[str, object], plan: CostPlan, hourly: float, currency: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("a million tokens of", "when the machine does"):
        table.add_column(column)
    for column in ("tok/s", currency, "gpt-4.1-nano, USD", "ratio"):
        table.add_column(Text(column), justify="right")
    for price in found:
        kind = price.speed.kind.replace("cached_input", "cached input")
        ratio = "" if price.ratio is None else f"{price.ratio:.2f}x"
        cells = (kind, price.speed.assumes, f"{price.speed.tok_s:,.0f}", _money(price.per_million))
        table.add_row(*map(Text, cells), f"{price.peer:g}", ratio)
    # Wide when it is piped into another program: what is wrapped cannot be searched.
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    head = f"{about['model']}, {about['format']}, {about['threads']} threads, {about['isa']}"
    console.print(f"{head}, at {hourly:g} {currency} an hour\n", markup=False)
    console.print(table)
    console.print(
        "\nEach row takes the machine to be busy with this alone, at every moment: idle hours cost the same.\n"
        f"Answers are {plan.answer} tokens after a prompt of {plan.answer_prompt}, whose time is part of theirs.",
        markup=False,
    )


def _money(value: float) -> str:
    return f"{value:,.2f}" if value >= 1 else f"{value:.4f}" if value >= 0.01 else f"{value:.2g}"


def _rounded(value: float) -> float:
    """Four digits: more of them would be noise."""
    return float(f"{value:.4g}")
