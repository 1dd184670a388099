"""`spatz eval documents`: how well images and PDFs are read, and what the model makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatz.commands.shared import configured, set_up_logging
from spatz.config import Settings
from spatz.evals.choosing import chosen

if TYPE_CHECKING:
    from spatz.evals.documents.fields import Answer, Post

__all__ = ["documents"]

TASKS = ("reading", "fields", "speed", "damage")


@configured("model", "engine", "inputs")
def documents(
    settings: Settings,
    command: typer.Context,
    tasks: str = typer.Option("reading", "--tasks", help=f"Joined by commas: {', '.join(TASKS)}, or all."),
    kinds: str = typer.Option(
        "all", "--kinds", help="invoice, letter, form, table, article, screenshot, receipt, or all."
    ),
    conditions: str = typer.Option(
        "all",
        "--conditions",
        help="pdf (with its text), scan (a PDF of a picture), clean (a picture), turned (by 90 degrees), "
        "crooked (by 3), noisy, jpeg, low (resolution), or all.",
    ),
    count: int = typer.Option(2, "--documents", min=1, max=1000, help="Of each kind; every other one is German."),
    invoices: int = typer.Option(50, "--invoices", min=1, max=1000, help="About which fields are asked."),
    damaged: int = typer.Option(1000, "--damaged", min=1, max=100_000, help="Damaged files that are read."),
    seed: int = typer.Option(0, "--seed", min=0, max=2**31 - 1, help="Another one gives other documents."),
    workers: int = typer.Option(2, "--workers", min=1, max=64, help="Processes that read at once."),
    url: str | None = typer.Option(
        None, "--url", help="Ask a server for the fields, such as http://127.0.0.1:8000/v1."
    ),
    name: str | None = typer.Option(None, "--remote-model", help="The model's name there, if --model is not its name."),
    key_variable: str | None = typer.Option(None, "--key-env", help="The environment variable that holds its API key."),
    check: bool = typer.Option(False, "--check", help="Fail where a limit is missed that Spatz is held to."),
    folder: Annotated[
        Path | None, typer.Option("--save", metavar="FOLDER", help="Keep the documents and what was read of them.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all results as JSON.")] = None,
) -> None:
    """Read generated documents of which everything is known, and ask the model about invoices.

    reading gives the character error rate, F1 over the cells of tables, and how many labels have their values, by kind
    and condition. fields asks over the API for five fields of invoices with a JSON schema, as images and as scanned
    PDFs, with the question before and behind them. speed reads with one process. damage reads images and
    PDFs that were damaged. A document that cannot be read, and a process that fails, make the command fail.
    """
    from spatz.errors import ConfigError
    from spatz.evals.documents.corpus import CONDITIONS, KINDS
    from spatz.evals.documents.damage import read_damaged
    from spatz.evals.documents.fields import FORMS, ask_fields
    from spatz.evals.documents.reading import Wanted, read_documents
    from spatz.evals.documents.report import Report, print_report, write_json
    from spatz.evals.documents.speed import measured
    from spatz.evals.telling import telling

    set_up_logging("warning", command.obj.on)
    _check_libraries()
    wanted_tasks = chosen("--tasks", tasks, TASKS)
    wanted = Wanted(
        chosen("--kinds", kinds, tuple(KINDS)),
        chosen("--conditions", conditions, CONDITIONS),
        count,
        seed,
        workers,
        folder,
    )
    if url is None and (name or key_variable):
        raise ConfigError("--remote-model and --key-env need --url")
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise ConfigError(f"--json: {json_file.absolute().parent} is no directory")
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"--save: {folder} is no directory")
    report = Report({"tasks": wanted_tasks, "documents": count, "seed": seed, "workers": workers})
    with telling() as tell:
        if "reading" in wanted_tasks:
            report.reads = read_documents(wanted, tell)
        if "speed" in wanted_tasks:
            tell("measuring the speed")
            report.speed = measured(seed, images=10)
        if "damage" in wanted_tasks:
            report.damage = read_damaged(damaged, seed, workers, 400, tell)
        if "fields" in wanted_tasks:
            posting, report.asked = _posting(settings, url, name, key_variable)
            forms = [condition for condition in FORMS if condition in wanted.conditions]
            report.answers = asyncio.run(_asked(posting, lambda post: ask_fields(post, invoices, seed, forms, tell)))
    if json_file is not None:
        write_json(report, json_file)
    print_report(report)
    if report.failures() or (check and report.missed()):
        raise typer.Exit(1)


def _posting(
    settings: Settings, url: str | None, name: str | None, key_variable: str | None
) -> tuple[AbstractAsyncContextManager[Post], str]:
    """A way to post, and the name of who answers."""
    from spatz.commands.fetch import fetched
    from spatz.evals.asking import key_of
    from spatz.evals.documents.posting import posting_here, posting_to

    model = name or settings.model
    if url is not None:
        return posting_to(url, model, key_of(url, key_variable)), f"{model} at {url}"
    return posting_here(settings, fetched(settings)), f"{model} in this process"


async def _asked(
    posting: AbstractAsyncContextManager[Post], ask: Callable[[Post], Awaitable[list[Answer]]]
) -> list[Answer]:
    async with posting as post:
        return await ask(post)


def _check_libraries() -> None:
    from importlib.util import find_spec

    from spatz.errors import ConfigError

    missing = [name for name in ("PIL", "pypdfium2", "reportlab", "rapidocr") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"{missing[0]} is not installed: pip install 'spatz[eval,documents]' installs it")
