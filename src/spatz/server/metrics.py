"""What /metrics tells: one registry per app, nothing global. Times are seconds.

Measured here: requests, time to first token, time per token. Read from the engine when asked: tokens, queue, batch, KV.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from spatz.engine.request import ContextUse
from spatz.engine.stats import EngineStats
from spatz.search.use import SearchUse

__all__ = ["CONTENT_TYPE", "Metrics", "Stopwatch"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FIRST_TOKEN = (0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.4, 1, 2, 5, 10, 30, 60, 300)
PER_TOKEN = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.04, 0.1, 0.2, 0.5, 1)
WHOLE = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)


class _Engine(Collector):
    """The engine's own figures, which also count what nobody waited for."""

    def __init__(self, read: Callable[[], EngineStats]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        stats = self._read()
        for name, text, value in (
            ("spatz_queue_requests", "Requests that have not started", stats.queued),
            ("spatz_waiting_sequences", "Sequences that are not in the batch", stats.waiting),
            ("spatz_batch_sequences", "Sequences in the batch", stats.running),
            ("spatz_prefill_done_tokens", "Tokens of the prompts under way that have been run", stats.prefill_done),
            (
                "spatz_prefill_left_tokens",
                "Tokens of the prompts under way that are still to be run",
                max(0, stats.prefill_total - stats.prefill_done),
            ),
            ("spatz_kv_pages_total", "Pages of the KV cache", stats.pages_total),
            ("spatz_kv_pages_used", "Pages of the KV cache that sequences use", stats.pages_used),
            ("spatz_kv_pages_idle", "Pages of the KV cache kept for prefix reuse alone", stats.pages_idle),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        for name, text, value in (
            ("spatz_prompt_tokens", "Tokens of prompts", stats.tokens_in),
            ("spatz_cached_tokens", "Tokens of prompts that were found in the prefix cache", stats.tokens_cached),
            ("spatz_output_tokens", "Tokens generated", stats.tokens_out),
            ("spatz_engine_steps", "Steps of the engine", stats.steps),
            ("spatz_engine_preemptions", "Sequences put back for want of KV memory", stats.preemptions),
            ("spatz_engine_failures", "Steps that failed", stats.failures),
        ):
            yield CounterMetricFamily(name, text, value=value)


class Metrics:
    def __init__(self, read: Callable[[], EngineStats]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Engine(read))
        self.requests = Counter("spatz_requests", "Requests answered", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "spatz_request_seconds", "Time of a whole request", ["route"], buckets=WHOLE, registry=self.registry
        )
        self.first_token = Histogram(
            "spatz_first_token_seconds", "Time to the first token", buckets=FIRST_TOKEN, registry=self.registry
        )
        self.contexts = Counter(
            "spatz_context_prompts", "Prompts by how they were read", ["mode"], registry=self.registry
        )
        self.blocks = Counter(
            "spatz_context_blocks", "Blocks of long prompts that were looked up", ["mode"], registry=self.registry
        )
        self.per_token = Histogram(
            "spatz_token_seconds",
            "Mean time per further token of a request, per choice",
            buckets=PER_TOKEN,
            registry=self.registry,
        )

        self.inputs = Histogram(
            "spatz_input_seconds",
            "Time to read an image or a file, by what it was",
            ["kind"],
            buckets=FIRST_TOKEN,
            registry=self.registry,
        )

        self.searches = Histogram(
            "spatz_search_seconds",
            "Time to search the web and to read its pages for an answer, by whether they said anything to the point",
            ["outcome"],
            buckets=FIRST_TOKEN,
            registry=self.registry,
        )
        self.search_failures = Counter(
            "spatz_search_failures",
            "Providers, by name, and pages, by code, of which nothing came",
            ["what"],
            registry=self.registry,
        )

    def searched(self, use: SearchUse) -> None:
        self.searches.labels("found" if use.tokens else "nothing").observe(use.seconds)
        for report in use.providers:
            if report.error:
                self.search_failures.labels(report.name).inc()
        for failure in use.failures:
            self.search_failures.labels(failure.code).inc()

    def read_input(self, kind: str, seconds: float) -> None:
        """kind: image, pdf, text or failed."""
        self.inputs.labels(kind).observe(seconds)

    def finished(self, route: str, status: int, seconds: float) -> None:
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def read(self, use: ContextUse) -> None:
        """A prompt has been answered."""
        self.contexts.labels(use.mode.value).inc()
        if use.blocks:
            self.blocks.labels(use.mode.value).inc(use.blocks)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class Stopwatch:
    """Times one generation, also one whose client has gone before its end."""

    def __init__(self, metrics: Metrics, choices: int) -> None:
        self._metrics = metrics
        self._choices = choices
        self._start = perf_counter()
        self._first = 0.0
        self._tokens = 0

    def step(self, tokens: int) -> None:
        if tokens and not self._first:
            self._first = perf_counter()
            self._metrics.first_token.observe(self._first - self._start)
        self._tokens += tokens

    def end(self) -> None:
        further = self._tokens / self._choices - 1
        if self._first and further > 0:
            self._metrics.per_token.observe((perf_counter() - self._first) / further)
