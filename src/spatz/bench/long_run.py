"""One long prompt, measured from outside as its client sees it: read, asked again, asked after a crash, left, skimmed.

It is asked of `spatz serve` in a process of its own, with a cache of its own (gigabytes for a million tokens) in the
data directory, because that is the disk on which a server would have it. The cache goes when the measurement ends.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from spatz.bench.children import Child, serving
from spatz.bench.client import Client, Streamed
from spatz.bench.guests import Guests, percentile
from spatz.bench.long_prompt import ANSWER_TOKENS, LongPrompt, make_long_prompt
from spatz.bench.long_report import LongReport
from spatz.bench.progress import Tell
from spatz.bench.server_metrics import ServerMetrics
from spatz.config import Settings
from spatz.errors import ConfigError, SpatzError
from spatz.evals.case import Case
from spatz.evals.process_memory import MemoryWatch
from spatz.weights.model_files import open_model

__all__ = ["measure_long"]

LEAST_CACHE_MB = 8192
DISK_BYTES = (512 << 20, 4096)  # that must be free: in any case, and for each token
LEAST_TOK_S = 250  # of a prompt; what is slower is given up
LEAST_SECONDS = 300.0  # for any answer, before it is given up
ALONE = 5  # short requests with nothing beside them
BEGUN_TOKENS = 2_048  # of a prompt, after which its client leaves
LEFT_SECONDS = 60.0  # for the server to notice
SHORT_SECONDS = 120.0


def measure_long(settings: Settings, path: Path, tokens: int, skims: int, tell: Tell) -> LongReport:
    """tokens: of the prompt and its answer, more than the model's own context. skims: how often it is skimmed."""
    if tokens > settings.context_limit:
        raise ConfigError(f"--context: {tokens:,} tokens are more than the context_limit of {settings.context_limit:,}")
    native = _native(settings, path)
    if tokens <= native:
        raise ConfigError(f"--context: {tokens:,} tokens fit the {native:,} that the model reads exactly: ask for more")
    tell("making a text")
    prompt = make_long_prompt(path, tokens, 2 + skims)
    with _scratch(settings, tokens) as folder:
        return _Run(settings, path, folder, prompt, skims, tell).all()


def _native(settings: Settings, path: Path) -> int:
    if settings.context_length:
        return settings.context_length
    files = open_model(path)
    try:
        return files.plan.decoder.context_length
    finally:
        files.close()


@contextmanager
def _scratch(settings: Settings, tokens: int) -> Iterator[Path]:
    needed = DISK_BYTES[0] + DISK_BYTES[1] * tokens
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(settings.data_dir).free
        if free < needed:
            raise SpatzError(
                f"the cache of {tokens:,} tokens may need {needed / 1e6:,.0f} MB, and {settings.data_dir} has only "
                f"{free / 1e6:,.0f} MB free"
            )
        with tempfile.TemporaryDirectory(prefix="bench-", dir=settings.data_dir) as folder:
            yield Path(folder)
    except OSError as error:
        raise SpatzError(f"{error.filename or settings.data_dir}: {error.strerror or error}") from None


class _Run:
    def __init__(
        self, settings: Settings, path: Path, folder: Path, prompt: LongPrompt, skims: int, tell: Tell
    ) -> None:
        self._settings = replace(settings, context="auto", cache_mb=max(settings.cache_mb, LEAST_CACHE_MB))
        self._path = path
        self._folder = folder
        self._prompt = prompt
        self._tell = tell
        self._seconds = LEAST_SECONDS + prompt.tokens / LEAST_TOK_S
        self._report = LongReport(settings.model, prompt.tokens, prompt.repeated, skims)
        self._figures = self._report.figures
        self._second = ""

    def all(self) -> LongReport:
        with self._serving() as server:
            self._short_alone(server)
            with MemoryWatch(server.pid) as watch:
                self._routed(server)
                self._figures["cache_mb"] = _disk_bytes(self._folder / "cache") / 1e6
                self._again(server, "second")
            peak = watch.peak
            server.kill()
        self._figures["memory_anonymous_mb"] = peak.anonymous / 1e6
        self._figures["memory_files_mb"] = peak.files / 1e6
        self._figures["memory_shared_mb"] = peak.shared / 1e6
        self._tell("starting again after kill -9")
        with self._serving() as server:
            self._figures["restart_s"] = server.start_s
            self._again(server, "again")
            self._leave(server)
            self._skim(server)
        return self._report

    @contextmanager
    def _serving(self) -> Iterator[Child]:
        body = Client("", 0, self._settings.model).body({"messages": self._prompt.other.messages})
        self._figures["body_mb"] = len(body) / 1e6
        # A little more than the text: the request's other fields.
        flags = ("--max-body-mb", str(max(16, (len(body) >> 20) + 2)))
        with serving(self._settings, self._path, self._folder, *flags) as server:
            with closing(self._client(server)) as client:
                self._report.model = client.served()
            yield server

    def _client(self, server: Child, seconds: float | None = None) -> Client:
        return Client(server.host, server.port, self._report.model, seconds or self._seconds)

    def _guests(self, server: Child) -> Guests:
        return Guests(lambda: self._client(server, SHORT_SECONDS), self._prompt.short.__next__)

    # --- what is measured --------------------------------------------------------------------------------------------

    def _short_alone(self, server: Child) -> None:
        self._tell("short requests alone")
        with closing(self._guests(server)) as guests:
            guests.once()
            self._figures["short_alone_p50_ms"] = statistics.median(guests.once() for _ in range(ALONE)) * 1000

    def _routed(self, server: Child) -> None:
        case = self._prompt.cases[0]
        with self._guests(server) as guests, self._asking(server, case) as (answer, metrics):
            self._follow(answer, metrics, "routed")
        waits = [seconds * 1000 for seconds in guests.seconds]
        found = answer.result()
        self._check_mode(found, "routed")
        self._figures["routed_first_token_s"] = found.first_s
        self._figures["routed_tok_s"] = found.prompt_tokens / found.first_s
        self._figures["routed_right"] = _right(case, found)
        self._figures["short_sent"] = len(waits)
        if waits:
            self._figures["short_first_token_p50_ms"] = percentile(waits, 50)
            self._figures["short_first_token_p95_ms"] = percentile(waits, 95)

    def _again(self, server: Child, name: str) -> None:
        """The second question: of a text that was read, by this process or by one that was killed."""
        self._tell("the second question")
        case = self._prompt.cases[1]
        with closing(self._client(server)) as client, closing(ServerMetrics(server.host, server.port)) as metrics:
            before, count = metrics.first_tokens()
            found = client.ask(case.messages, ANSWER_TOKENS, ignore_eos=True)
            after, told = metrics.first_tokens()
        self._check_mode(found, "routed")
        self._figures[f"{name}_first_token_s"] = found.first_s
        if told == count + 1:
            self._figures[f"{name}_before_engine_s"] = found.first_s - (after - before)
        self._figures[f"{name}_cached_tokens"] = found.cached_tokens
        if name == "second":
            self._second = found.text
            self._figures["second_right"] = _right(case, found)
            self._figures["decode_tok_s"] = (found.completion_tokens - 1) / (found.last_s - found.first_s)
        else:
            self._figures["again_same_answer"] = found.text == self._second

    def _leave(self, server: Child) -> None:
        """A client that goes away while its prompt is read."""
        self._tell("a client that leaves")
        deadline = time.perf_counter() + self._seconds
        with self._asking(server, self._prompt.other, leaves=True) as (answer, metrics):
            while metrics.prefill()[0] < BEGUN_TOKENS:
                if answer.done() or time.perf_counter() > deadline:
                    raise SpatzError("the prompt could not be left while it was read")
                time.sleep(0.02)
            start = time.perf_counter()
        with closing(ServerMetrics(server.host, server.port)) as metrics:
            while not metrics.idle():
                if time.perf_counter() > start + LEFT_SECONDS:
                    raise SpatzError(f"the server still works {LEFT_SECONDS:.0f} seconds after the client has left")
                time.sleep(0.005)
        self._figures["cancel_idle_s"] = time.perf_counter() - start

    def _skim(self, server: Child) -> None:
        """Each time another question, so that what was run for one is of little use for the next."""
        took, right = [], 0
        cases = self._prompt.cases[2:]
        with closing(self._client(server)) as client:
            for number, case in enumerate(cases, 1):
                self._tell(f"skim: {number} of {len(cases)}")
                found = client.ask(case.messages, ANSWER_TOKENS, spatz={"context": "skim"})
                self._check_mode(found, "skim")
                took.append(found.first_s)
                right += _right(case, found)
        self._figures["skim_first_token_s"] = statistics.median(took)
        self._figures["skim_best_first_token_s"] = min(took)
        self._figures["skim_right"] = right

    # --- how ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def _asking(
        self, server: Child, case: Case, *, leaves: bool = False
    ) -> Iterator[tuple[Future[Streamed], ServerMetrics]]:
        """A question under way in a thread. The client leaves when the block ends early, or `leaves` is set."""
        with (
            closing(self._client(server)) as client,
            closing(ServerMetrics(server.host, server.port)) as metrics,
            ThreadPoolExecutor(1) as pool,
        ):
            answer = pool.submit(client.ask, case.messages, ANSWER_TOKENS)
            try:
                yield answer, metrics
            except BaseException:
                client.leave()
                raise
            if leaves:
                client.leave()

    def _follow(self, answer: Future[Streamed], metrics: ServerMetrics, name: str) -> None:
        """Until it is there, and say how far it is."""
        deadline = time.perf_counter() + self._seconds
        while time.perf_counter() < deadline:
            try:
                answer.result(timeout=2.0)
            except NotDone:
                if answer.done():
                    raise  # the answer's own
                done, left = metrics.prefill()
                self._tell(f"{name}: {done:,} of {done + left:,} tokens" if left else f"{name}: reading the request")
            else:
                return
        raise SpatzError(f"the prompt took longer than {self._seconds:,.0f} seconds")

    def _check_mode(self, found: Streamed, mode: str) -> None:
        if found.mode != mode:
            raise SpatzError(f"the prompt was read in the mode {found.mode!r}, not {mode!r}: it may be too short")


def _right(case: Case, found: Streamed) -> bool:
    return case.score(found.text, case.expected) == 1.0


def _disk_bytes(folder: Path) -> int:
    """What its files take on the disk; they may have holes."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
