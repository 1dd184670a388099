"""The whole measurement: limits of the machine, then one small function for each thing that is measured.

Ours and a peer's run in turns within each measurement (A B A B), because a machine's speed drifts within minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from spatz import _core
from spatz.bench.children import cold_start_s, serving
from spatz.bench.client import Client
from spatz.bench.limits import Work, measure_limits
from spatz.bench.parallel import run_batch
from spatz.bench.peer import Peer
from spatz.bench.plan import Plan
from spatz.bench.progress import Tell
from spatz.bench.report import Figure, Report
from spatz.bench.runner import Ours, Runner
from spatz.bench.text import TextTokens, long_text
from spatz.config import Settings
from spatz.errors import ConfigError
from spatz.evals.process_memory import peak_memory
from spatz.weights.load import LoadedModel, load_model
from spatz.weights.model_files import open_model

__all__ = ["in_turns", "measure"]

_TTFT_RUNS = 5  # at least: each takes a few milliseconds, and the network stack is noisy


def measure(settings: Settings, path: Path, plan: Plan, peers: Mapping[str, Peer], tell: Tell) -> Report:
    try:
        context = _core.Context(threads=settings.threads, isa=settings.isa)
    except ValueError as error:
        raise ConfigError(f"the core cannot start: {error}") from None
    tell("the machine")
    limits = measure_limits(context)
    tell("loading the model")
    loaded = load_model(path, context, format=settings.format or None)
    length = settings.context_length or loaded.card.context_length
    possible = plan.within(min(length, loaded.card.context_length))
    text = TextTokens(loaded.tokenizer)
    report = Report(
        limits=limits,
        threads=context.threads,
        isa=context.isa,
        model=loaded.card.name,
        format=loaded.card.format,
        plan=possible,
        notes=[
            f"{name} is left out: {loaded.card.name} knows only {length} tokens"
            for name in plan.names
            if name not in possible.names
        ],
    )
    for peer in peers.values():
        peer.threads = context.threads
    _sequences(report, Ours(loaded, text, _most_tokens(possible), loaded.kv_kind(settings.kv)), peers, tell)
    if possible.batch:
        tell("batch16")
        _batch(report, settings, path, text)
    if possible.ttft_prompt:
        tell("ttft")
        _first_token(report, settings, path, loaded, text)
    if possible.cold_start:
        tell("cold_start")
        report.figures["cold_start_s"] = Figure(_samples(plan.runs, lambda: cold_start_s(settings, path)))
    if possible.rss_prompt:
        tell("rss")
        report.figures["rss_mb"] = Figure(_samples(1, lambda: _rss_mb(settings, path, loaded, text, plan), warm=False))
    if possible.tokenize_megabytes:
        tell("tokenize")
        report.figures["tokenize_tok_s"] = _tokenize(loaded, plan)
    report.peer_builds = {label: peer.build for label, peer in peers.items() if peer.build}
    report.limits = limits.at_least(measure_limits(context))
    report.work = _work(path, loaded, loaded.kv_kind(settings.kv))
    return report


def _samples(runs: int, once: Callable[[], float], *, warm: bool = True) -> list[float]:
    if warm:
        once()
    return [once() for _ in range(runs)]


def _most_tokens(plan: Plan) -> int:
    return max([1, *plan.prefill, *(depth + plan.decode_tokens for depth in plan.decode)])


def _sequences(report: Report, ours: Ours, peers: Mapping[str, Peer], tell: Tell) -> None:
    def prefill(tokens: int) -> Callable[[Runner], float]:
        return lambda runner: runner.prefill(tokens)

    def decode(depth: int) -> Callable[[Runner], float]:
        return lambda runner: runner.decode(depth, report.plan.decode_tokens)

    for size in report.plan.prefill:
        in_turns(report, f"prefill_{size}", ours, peers, prefill(size), tell)
    for depth in report.plan.decode:
        in_turns(report, f"decode_{depth}", ours, peers, decode(depth), tell)


def in_turns(
    report: Report,
    name: str,
    ours: Runner,
    peers: Mapping[str, Peer],
    sample: Callable[[Runner], float],
    tell: Tell,
) -> None:
    """One figure of ours and of each peer. A peer warms up by itself."""
    tell(f"{name}: warming up")
    sample(ours)
    own: list[float] = []
    theirs: dict[str, list[float]] = {label: [] for label in peers}
    for run in range(report.plan.runs):
        tell(f"{name}: {run + 1} of {report.plan.runs}")
        own.append(sample(ours))
        for label, peer in peers.items():
            tell(f"{name}: {run + 1} of {report.plan.runs}, the peer with {peer.model.name}")
            theirs[label].append(sample(peer))
    report.figures[f"{name}_tok_s"] = Figure(own)
    for label, samples in theirs.items():
        report.peers.setdefault(label, {})[name] = Figure(samples)


def _batch(report: Report, settings: Settings, path: Path, text: TextTokens) -> None:
    """Through an engine as the server has it. The prompts of each run are new to its prefix cache."""
    from spatz.server.local import local_model

    assert report.plan.batch is not None
    requests, prompt, generated = report.plan.batch
    with local_model(settings, path) as model:
        seconds = _samples(
            report.plan.runs,
            lambda: run_batch(model, [text.take(prompt) for _ in range(requests)], generated),
        )
    report.figures["batch16_tok_s"] = Figure([requests * (prompt + generated) / took for took in seconds])
    report.figures["batch16_generated_tok_s"] = Figure([requests * generated / took for took in seconds])


def _first_token(report: Report, settings: Settings, path: Path, loaded: LoadedModel, text: TextTokens) -> None:
    """Each prompt is another part of the text, and shorter than a block of the prefix cache."""
    prompt = report.plan.ttft_prompt
    chat = loaded.chat_template is not None
    with serving(settings, path) as server:
        client = Client(server.host, server.port, loaded.card.name)
        around = 0
        if chat:
            said = "One two three."
            around = client.chat_prompt_tokens(said) - len(loaded.tokenizer.encode(said))

        def once() -> float:
            piece = loaded.tokenizer.decode(text.take(max(1, prompt - around)))
            return client.first_text_seconds(piece, chat=chat) * 1000

        samples = _samples(max(_TTFT_RUNS, report.plan.runs), once)
        client.close()
    report.figures["ttft_ms"] = Figure(samples)


def _rss_mb(settings: Settings, path: Path, loaded: LoadedModel, text: TextTokens, plan: Plan) -> float:
    with serving(settings, path) as server:
        client = Client(server.host, server.port, loaded.card.name)
        client.complete(text.take(plan.rss_prompt))
        client.close()
        return peak_memory(server.pid) / 1e6


def _tokenize(loaded: LoadedModel, plan: Plan) -> Figure:
    text = long_text(int(plan.tokenize_megabytes * 1e6))
    count = len(loaded.tokenizer.encode_array(text))

    def once() -> float:
        start = time.perf_counter()
        loaded.tokenizer.encode_array(text)
        return count / (time.perf_counter() - start)

    return Figure(_samples(plan.runs, once))


def _work(path: Path, loaded: LoadedModel, kv: str) -> Work:
    files = open_model(path)
    try:
        decoder = files.plan.decoder
    finally:
        files.close()
    return Work(
        weight_bytes=loaded.core.weight_bytes,
        kv_token_bytes=_core.KVCache(loaded.core, 1, kv).page_bytes / _core.PAGE_TOKENS,
        linear_macs=loaded.core.linear_macs,
        # Of the queries with the keys, and of the result with the values.
        attention_macs=2 * decoder.heads * decoder.head_dim,
        windows=decoder.window,
    )
