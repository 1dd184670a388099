"""`spatz calibrate`: measure which heads of a model fetch things from far away, and keep that for the routed mode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings

if TYPE_CHECKING:
    from spatz.evals.calibration.selection import Tried
    from spatz.weights.load import LoadedModel

__all__ = ["calibrate"]

NEAR, FACTS = 3_072, 10  # tokens of a text in which attention is measured, and what is planted in it
NEAR_UNTIL = 0.8  # part of such a text: what stands behind that, heads see that look at what is near
FAR, FAR_FACTS = 16_384, 20  # the same of the texts in which sets of heads are tried
LEAST_TOLD = 1 / 10  # part of the facts without which nothing can be said of heads


@configured("engine", "data_dir", "format")
def calibrate(
    settings: Settings,
    command: typer.Context,
    model: str = typer.Argument(..., help="A name of the catalog, a path, or hf:ORG/REPO[:FILE]."),
    quick: bool = typer.Option(False, "--quick", help="Fewer texts, and no more sets of heads than are needed."),
    texts: int = typer.Option(2, "--texts", min=1, max=20, help="Long texts in which each set of heads is tried."),
    seed: int = typer.Option(0, "--seed", min=0, max=2**31 - 1, help="Another one gives other texts and facts."),
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write the profile there, not where `spatz serve` looks for it."),
    ] = None,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw attention by head and recall by set.")
    ] = None,
) -> None:
    """Find the heads of a model that fetch things from far away.

    In the mode for long contexts only those keep what is far. Facts are planted in real text, and it is measured how
    much attention each head pays to a fact while the answer is told. Then the mode itself is run on long texts with
    more and more of the best heads: kept is the smallest set that finds as much as all heads do, but for one fact.
    Low layers are preferred, because those above the last such head are not run for most of a prompt. The profile is
    written into the data directory, where it is used from the next start on.
    """
    from dataclasses import replace

    from spatz import _core
    from spatz.commands.fetch import fetched
    from spatz.context.profile import Shape
    from spatz.errors import SpatzError
    from spatz.evals.calibration.facts import ANSWER_TOKENS, plant
    from spatz.evals.calibration.masses import measure
    from spatz.evals.calibration.outcome import Outcome, check_output, print_outcome, write_outcome
    from spatz.evals.calibration.picture import plot_outcome
    from spatz.evals.calibration.prompts import Prompts
    from spatz.evals.calibration.recall import Recall
    from spatz.evals.calibration.selection import QUICK_SIZES, SIZES, choose, low_limit, rank
    from spatz.evals.haystack import Corpus
    from spatz.evals.heatmap import check_plot
    from spatz.evals.writer import Writer
    from spatz.weights.load import load_model

    set_up_logging("warning", command.obj.on)
    if plot_file is not None:
        check_plot(plot_file)
    if output is not None:
        check_output(output)
    settings = replace(settings, model=model)
    path = fetched(settings)
    loaded = load_model(path, _core.Context(settings.threads, settings.isa), format=settings.format or None)
    _check(loaded)
    card, decoder = loaded.card, loaded.decoder
    prompts = Prompts(loaded)
    writer = Writer(Corpus(loaded.tokenizer), prompts.count)
    names = (f"calibrate/near/{seed}/{text}" for text in range(2 if quick else 6))
    near = (plant(writer, NEAR, FACTS, name, NEAR_UNTIL) for name in names)
    note(f"{card.name}: measuring attention on facts in texts of {NEAR:,} tokens")
    masses = measure(loaded, loaded.kv_kind(settings.kv), near, lambda a, t: note(f"{t} of {a} facts told right"))
    if masses.told < LEAST_TOLD * masses.asked:
        raise SpatzError(
            f"{card.name} tells {masses.told} of {masses.asked} facts in texts of {NEAR:,} tokens: it finds too little "
            "for its heads to be told apart. There is no profile; without one, every head keeps what is far."
        )
    ranking = rank(masses.shares, decoder.window)
    shape = Shape(decoder.layers, decoder.heads, decoder.kv_heads, decoder.head_dim, decoder.hidden, decoder.vocab)
    long = [
        plant(writer, FAR - ANSWER_TOKENS, FAR_FACTS, f"calibrate/far/{seed}/{text}")
        for text in range(1 if quick else texts)
    ]
    note(f"asking for {FAR_FACTS * len(long)} facts in texts of {FAR:,} tokens, with more and more heads")
    recall = Recall(settings, path, card.digest, shape, prompts, long, lambda tried: note(_told(tried, decoder.layers)))
    sizes = QUICK_SIZES if quick else SIZES
    best, tried = choose(
        ranking,
        decoder.kv_heads,
        sizes,
        recall,
        limit=low_limit(masses.shares, decoder.window),
        thorough=not quick,
    )
    if not best.found:
        raise SpatzError(
            f"{card.name} finds none of {best.asked} facts in texts of {FAR:,} tokens, even with all heads: there "
            "is nothing to choose by, and no profile. Without one, every head keeps what is far."
        )
    outcome = Outcome(card, shape, masses, NEAR, FAR, ranking, tried, best, seed)
    print_outcome(outcome)
    target = output or settings.data_dir / "profiles" / f"{card.digest}.json"
    write_outcome(outcome, target)
    note(f"the profile is {target}")
    if plot_file is not None:
        plot_outcome(outcome, plot_file)


def _check(loaded: LoadedModel) -> None:
    from spatz.errors import ConfigError
    from spatz.server.local import LEAST_ROUTED

    card = loaded.card
    if card.context_length < LEAST_ROUTED:
        raise ConfigError(
            f"{card.name} was trained on texts of {card.context_length:,} tokens: the mode for long contexts needs a "
            f"model that knows at least {LEAST_ROUTED:,}"
        )
    if all(loaded.decoder.window):
        raise ConfigError(f"{card.name} has sliding windows in all layers: no head of it sees far")


def _told(tried: Tried, layers: int) -> str:
    return (
        f"{len(tried.heads)} heads, {tried.depth} of {layers} layers: {tried.found} of {tried.asked} found, "
        f"{tried.tokens_per_second:,.0f} tokens/s"
    )
