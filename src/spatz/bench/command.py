"""`spatz bench`: how fast this machine runs the model, as figures and as shares of what the machine could do."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings

__all__ = ["bench"]


@configured("model", "engine")
def bench(
    settings: Settings,
    context: typer.Context,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            help="Measure only these: prefill, decode, batch16, ttft, cold_start, rss, tokenize, or one size of the "
            "first two, such as decode_2048. Can be repeated, or joined with commas.",
        ),
    ] = None,
    runs: int = typer.Option(3, "--runs", min=1, max=1000, help="Runs of each measurement; their median counts."),
    peer: Annotated[
        Path | None,
        typer.Option("--peer", help="A llama-bench binary of llama.cpp, to run in turns with ours on the same file."),
    ] = None,
    peer_model: Annotated[
        list[str] | None,
        typer.Option(
            "--peer-model",
            metavar="[LABEL=]FILE",
            help="Another file for the peer, for instance its Q4_0; its figures are peer_LABEL_*. Can be repeated.",
        ),
    ] = None,
    long_context: str | None = typer.Option(
        None,
        "--context",
        metavar="TOKENS",
        help="Measure a prompt of this length instead, longer than the model's own context: 1000000, 128k or 1m.",
    ),
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")] = None,
) -> None:
    """Measure the machine, then the model on it, beside a peer if one is given.

    Every figure is the median of --runs runs after one that does not count. prefill_N is a prompt of N tokens of
    English text until its first token is sampled; decode_D is greedy decoding of 64 tokens with D tokens in the KV
    cache; batch16 is 16 requests at once of 128 tokens in and 128 out: batch16_tok_s counts prompts and answers,
    batch16_generated_tok_s answers only, both over the time until the last is done; ttft is the time to the first token
    of a chat prompt of 100 tokens over HTTP; cold_start is the time from the start of `spatz run` to its first output;
    rss is the most memory that a server takes for a prompt of 8,000 tokens; tokenize is one long text in one call.

    Shares: decode is bytes of weights, keys and values that must be read over the measured read rate; the others are
    operations of linear layers and attention over the measured int8 rate.

    With --context, a text of that length (its answer included) is read routed by a server of its own, while short
    requests come every second; then it is asked a second question, once more after kill -9, left by its client, and
    skimmed --runs times. Times are from the request to the first text of the answer. Memory is the server's own, its
    mapped files told apart. A million tokens take minutes, and gigabytes of the data directory's disk for that time.
    """
    from spatz.bench.measure import measure
    from spatz.bench.peer import Peer, peers_of
    from spatz.bench.plan import Plan
    from spatz.bench.progress import showing
    from spatz.bench.report import print_table, write_json
    from spatz.commands.fetch import fetched
    from spatz.errors import ConfigError

    set_up_logging("warning", context.obj.on)
    plan = Plan(runs=runs).only(only or [])
    if peer_model and peer is None:
        raise ConfigError("--peer-model needs --peer")
    if long_context is not None and (only or peer):
        raise ConfigError("--context goes neither with --only nor with --peer")
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise ConfigError(f"--json: {json_file.absolute().parent} is no directory")
    if long_context is not None:
        _long(settings, long_context, runs, json_file)
        return
    path = fetched(settings)
    peers: dict[str, Peer] = peers_of(peer, path, peer_model or []) if peer else {}
    with showing() as tell, _orderly():
        report = measure(settings, path, plan, peers, tell)
    for line in report.notes:
        note(line)
    print_table(report)
    if json_file is not None:
        write_json(report, json_file)


def _long(settings: Settings, length: str, runs: int, json_file: Path | None) -> None:
    from spatz.bench.long_prompt import tokens_of
    from spatz.bench.long_run import measure_long
    from spatz.bench.progress import showing
    from spatz.commands.fetch import fetched

    tokens = tokens_of(length)
    path = fetched(settings)
    with showing() as tell, _orderly():
        report = measure_long(settings, path, tokens, runs, tell)
    report.print_table()
    if json_file is not None:
        report.write_json(json_file)


@contextmanager
def _orderly() -> Iterator[None]:
    """Who is told to end takes its servers and its files along."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
