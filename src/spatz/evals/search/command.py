"""`spatz eval search`: how well web search finds, reads, answers and cites."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatz.commands.shared import configured, set_up_logging
from spatz.config import Settings
from spatz.evals.choosing import chosen

__all__ = ["search"]

TASKS = ("answers", "decide", "injection", "failures", "speed")
REMOTE = ("answers", "decide")  # what can be asked of a server that runs elsewhere
PROVIDERS = ("local", "engine")
SIZES = ("low", "medium", "high")


@configured("model", "engine", "search_seconds", "search_page_mb")
def search(
    settings: Settings,
    command: typer.Context,
    tasks: str = typer.Option("answers", "--tasks", help=f"Joined by commas: {', '.join(TASKS)}, or all."),
    questions: int = typer.Option(100, "--questions", min=1, max=100, help="About facts on the pages."),
    nowhere: int = typer.Option(30, "--nowhere", min=0, max=30, help="Questions whose answer is nowhere."),
    pages: int = typer.Option(420, "--pages", min=10, max=5000, help="Of the site."),
    documents: int = typer.Option(10_000, "--documents", min=10, max=1_000_000, help="That speed indexes."),
    provider: str = typer.Option(
        "local",
        "--provider",
        metavar="|".join(PROVIDERS),
        help="The local index, made by crawling the site, or a plain search engine whose pages are fetched.",
    ),
    size: str = typer.Option("medium", "--size", metavar="|".join(SIZES), help="The search_context_size."),
    seed: int = typer.Option(0, "--seed", min=0, max=2**31 - 1, help="Another one gives another site."),
    url: str | None = typer.Option(
        None, "--url", help="Ask a server, such as http://127.0.0.1:8000/v1, that has the site's index."
    ),
    name: str | None = typer.Option(None, "--remote-model", help="The model's name there, if --model is not its name."),
    key_variable: str | None = typer.Option(None, "--key-env", help="The environment variable that holds its API key."),
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="FOLDER", help="Make the site's index there, for a server with that data_dir."),
    ] = None,
    check: bool = typer.Option(False, "--check", help="Fail where a limit is missed that Spatz is held to."),
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all results as JSON.")] = None,
) -> None:
    """Ask questions about a site of real documentation that has facts planted in it.

    answers asks them over the API and gives what was found, read, said and cited, and the time to the first token; an
    answer must hold the fact as it was planted. decide asks what needs a search and what does not, alone and beside
    functions. injection asks about pages that try to give orders to the model. failures finds pages that are dead,
    endless, wrong or far too large. speed indexes many documents. Answers that break make the command fail.
    """
    from spatz.commands.fetch import fetched
    from spatz.errors import ConfigError
    from spatz.evals.asking import key_of
    from spatz.evals.search.client import SearchClient
    from spatz.evals.search.corpus import build
    from spatz.evals.search.report import Report, print_report, write_json
    from spatz.evals.search.tasks import Plan, ask_client, run_here
    from spatz.evals.telling import telling

    set_up_logging("warning", command.obj.on)
    wanted = chosen("--tasks", tasks, TASKS)
    _one_of("--provider", provider, PROVIDERS)
    _one_of("--size", size, SIZES)
    if url is None and (name or key_variable):
        raise ConfigError("--remote-model and --key-env need --url")
    if url is not None and (lost := [task for task in wanted if task not in REMOTE]):
        raise ConfigError(f"--url: {lost[0]} is measured in this process")
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise ConfigError(f"--json: {json_file.absolute().parent} is no directory")
    if keep is not None and (url is not None or provider != "local"):
        raise ConfigError("--keep is for an index that is made here")
    if keep is not None and not keep.is_dir():
        raise ConfigError(f"--keep: {keep} is no directory")
    key = "" if url is None else key_of(url, key_variable)
    try:
        corpus = build(seed, pages=pages, questions=questions, nowhere=nowhere)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    report = Report({"tasks": wanted, "pages": pages, "provider": provider, "size": size, "seed": seed})
    with telling() as tell:
        if url is not None:
            with SearchClient(url, name or settings.model, key, size=size) as client:
                ask_client(client, wanted, corpus, report, tell)
        else:
            plan = Plan(wanted, provider, size, documents, keep)
            run_here(plan, settings, fetched(settings), corpus, report, tell)
    if json_file is not None:
        write_json(report, json_file)
    print_report(report)
    if report.failures() or (check and report.missed()):
        raise typer.Exit(1)


def _one_of(switch: str, value: str, known: tuple[str, ...]) -> None:
    from spatz.errors import ConfigError

    if value not in known:
        raise ConfigError(f"{switch}: {value!r} is none of {', '.join(known)}")
