"""`spatz eval`: what the model finds in long contexts, and how well it foretells long documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings
from spatz.evals.documents.command import documents
from spatz.evals.search.command import search

if TYPE_CHECKING:
    from spatz.evals.asking import Asker
    from spatz.evals.counting import PromptMaker

__all__ = ["evals", "evaluate"]

FORMS = ("one", "parts", "messages")
TEXTS = ("mixed", "prose", "code")


@configured("model", "engine", "context")
def evaluate(
    settings: Settings,
    command: typer.Context,
    tasks: str = typer.Option(
        "number",
        "--tasks",
        help="Joined by commas: number, word, sentence (together: needle), multikey, multivalue, multiquery (multi), "
        "tracking, aggregation, mrcr, graphwalks, paraphrase, perplexity, or all.",
    ),
    lengths: str = typer.Option("4k", "--lengths", help="Tokens of prompt and answer, such as 8k,32k,1040000."),
    needles: int = typer.Option(20, "--needles", min=1, max=1000, help="Questions of each task at each length."),
    depths: int = typer.Option(10, "--depths", min=1, max=100, help="Parts of the text over which facts are spread."),
    share: int = typer.Option(
        1, "--share-haystack", min=1, max=100, help="Hide so many single needles in one text and ask for each in turn."
    ),
    seed: int = typer.Option(0, "--seed", min=0, max=2**31 - 1, help="Another one gives other texts and facts."),
    form: str = typer.Option(
        "one",
        "--form",
        metavar="|".join(FORMS),
        help="Text and question as one message, as two parts of one, or as two messages.",
    ),
    text: str = typer.Option(
        "mixed", "--text", metavar="|".join(TEXTS), help="What haystacks are made of; mixed is prose, and then code."
    ),
    route: bool = typer.Option(
        True, "--route/--no-route", help="Whether a routed prompt looks back while it is run, or sees its window alone."
    ),
    prefixed: bool = typer.Option(False, "--answer-prefix", help="Begin the answers for the model, as RULER does."),
    url: str | None = typer.Option(None, "--url", help="Ask a server instead, such as http://127.0.0.1:8000/v1."),
    name: str | None = typer.Option(None, "--remote-model", help="The model's name there, if --model is not its name."),
    key_variable: str | None = typer.Option(None, "--key-env", help="The environment variable that holds its API key."),
    timeout: int | None = typer.Option(
        None, "--timeout", min=1, max=86_400, help="Seconds to wait for an answer from there (7200 if it is not given)."
    ),
    count_text: bool = typer.Option(False, "--count-text", help="Count all the text that there is for haystacks."),
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all answers as JSON, after each task.")
    ] = None,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw recall over length and depth.")
    ] = None,
) -> None:
    """Hide facts in real long texts and ask for them.

    A length counts the prompt, as the chat template makes it, and room for the answer; answers are greedy. A value is
    found if it stands in the answer as it was hidden. Texts are this machine's: Python's documentation and sources,
    licences, manual pages. Scores: number, word, sentence, multikey and paraphrase are right or wrong; the others are
    the part that was found, F1 (graphwalks), or similarity (mrcr). A question that gets an error for an answer, or
    none in time, is wrong.
    """
    from spatz.commands.fetch import fetched
    from spatz.errors import ConfigError, SpatzError
    from spatz.evals.counting import PromptMaker
    from spatz.evals.haystack import Corpus
    from spatz.evals.heatmap import check_plot, plot
    from spatz.evals.needle import Needles
    from spatz.evals.plan import Plan, lengths_of, tasks_of
    from spatz.evals.report import Report, print_report, write_json
    from spatz.evals.runner import run_plan
    from spatz.evals.telling import telling
    from spatz.evals.writer import Writer

    if command.invoked_subcommand is not None:
        _refuse_lost_flags(command)
        return
    set_up_logging("warning", command.obj.on)
    wanted = Needles(needles, depths, share, seed)
    plan = Plan(tasks_of(tasks), lengths_of(lengths), wanted, prefixed)
    _one_of("--form", form, FORMS)
    _one_of("--text", text, TEXTS)
    if url is not None and not route:
        raise ConfigError("--no-route is for a model in this process, not for --url")
    if url is None and (name or key_variable or timeout):
        raise ConfigError("--remote-model, --key-env and --timeout need --url")
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise ConfigError(f"--json: {json_file.absolute().parent} is no directory")
    if plot_file is not None:
        check_plot(plot_file)
    path = fetched(settings)
    maker = PromptMaker(path)
    corpus = Corpus(maker.tokenizer)
    writer = Writer(corpus, maker.count, form, text)  # type: ignore[arg-type]
    how = {
        "context": settings.context,
        "route": route,
        "seed": seed,
        "text": text,
        "form": form,
        "needles_in_a_text": share,
        "answer_prefix": prefixed,
    }
    report = Report("", how, plan.lengths, depths, text=corpus.count() if count_text else None)

    def done() -> None:
        if json_file is not None:
            write_json(report, json_file)

    try:
        with _asker(settings, path, maker, url, name, key_variable, timeout, route) as asker, telling() as tell:
            report.asked = asker.name
            done()  # where nothing can be written, this is the time to know
            run_plan(plan, writer, asker, report, tell, done)
    except (SpatzError, KeyboardInterrupt):
        if report.answered:  # which may have taken hours
            print_report(report)
            done()
        raise
    print_report(report)
    if plot_file is not None and not plot(report, plot_file):
        note("there is no heat map: none of these tasks hides one fact at one place")


@contextmanager
def _asker(
    settings: Settings,
    path: Path,
    maker: PromptMaker,
    url: str | None,
    name: str | None,
    key_variable: str | None,
    timeout: int | None,
    route: bool,
) -> Iterator[Asker]:
    from spatz.context.far_memory import Reach
    from spatz.engine.request import ContextMode
    from spatz.evals.asking import WAIT_SECONDS, LocalAsker, UrlAsker, key_of
    from spatz.server.local import local_model

    mode = ContextMode(settings.context)
    if url is None:
        with local_model(settings, path, None if route else Reach(passages=0)) as model:
            yield LocalAsker(model, mode, maker)
        return
    asker = UrlAsker(url, name or settings.model, key_of(url, key_variable), mode, maker, timeout or WAIT_SECONDS)
    try:
        yield asker
    finally:
        asker.close()


def _refuse_lost_flags(command: typer.Context) -> None:
    """Before the name of a command below this one, they would have no effect."""
    from spatz.errors import ConfigError

    for name in command.params:
        source = command.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and name != "debug":
            raise ConfigError(f"spatz eval: --{name.replace('_', '-')} must stand behind {command.invoked_subcommand}")


def _one_of(switch: str, value: str, known: tuple[str, ...]) -> None:
    from spatz.errors import ConfigError

    if value not in known:
        raise ConfigError(f"{switch}: {value!r} is none of {', '.join(known)}")


evals = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
evals.callback(invoke_without_command=True)(evaluate)
evals.command()(documents)
evals.command()(search)
