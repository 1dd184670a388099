"""One step of the engine, without threads or asyncio: schedule, run, postprocess.

Sits between `Engine`, which calls it from its step thread, and the scheduler. It turns sampled tokens into deltas and
hands them to the caller as (sink, delta or error) pairs; what a sink is, only the engine knows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from spatz.context.prefix import Tier
from spatz.engine.backend import Backend, Result
from spatz.engine.batch import BatchRunner, Chunk
from spatz.engine.guide import Job
from spatz.engine.options import EngineOptions
from spatz.engine.plan import plan_request
from spatz.engine.request import Delta, FinishReason, Request, TokenLogprob, Usage
from spatz.engine.scheduler import MAX_FORCED, Scheduler
from spatz.engine.sequence import Group
from spatz.engine.sequence import Sequence as Choice
from spatz.engine.stats import EngineStats, Listener, RequestRecord, StepRecord
from spatz.errors import RequestError

__all__ = ["Item", "Stepper"]

_log = logging.getLogger(__name__)

Item = tuple[Any, Delta | RequestError]


class Stepper:
    def __init__(
        self,
        backend: Backend,
        options: EngineOptions,
        listener: Listener | None = None,
        tiers: Sequence[Tier] = (),
        clock: Callable[[], float] = time.perf_counter,
        aside: Callable[[Sequence[Job]], None] | None = None,
    ) -> None:
        """aside: does the jobs of making masks beside the step; None: they are done before it."""
        self.backend = backend
        self.clock = clock
        self.scheduler = Scheduler(backend, options, tiers)
        self._aside = aside or _do
        most = options.max_running * MAX_FORCED + max(options.chunk_tokens, options.busy_chunk_tokens)
        self._runner = BatchRunner(backend, most, options.max_running)
        self._listener = listener
        self._groups: dict[Group, None] = {}
        self._steps = self._tokens_in = self._tokens_cached = self._tokens_out = self._failures = 0

    def prepare(self, request: Request, sink: Any) -> Group:
        """Check a request and make it ready for `submit`. Safe in any thread."""
        planned = request.plan if request.plan is not None else plan_request(request, self.backend)
        return Group(request, planned, self.clock(), sink)

    @property
    def busy(self) -> bool:
        return bool(self._groups)

    def submit(self, group: Group) -> list[Item]:
        self._groups[group] = None
        self.scheduler.add(group)
        if group.max_new == 0 and len(group.prompt) == 1:  # nothing to run: the first token of a prompt has no score
            self.scheduler.started(group, self.clock())
            return [self._end_scored(group.unfinished[0], lambda s: self.scheduler.remove(s.group))]
        return []

    def cancel(self, group: Group) -> list[Item]:
        """End a request now. Its choices end with finish_reason "abort"."""
        if group not in self._groups:
            return []
        deltas = [choice.output.abort() for choice in group.unfinished]
        self.scheduler.remove(group)
        self._close(group, FinishReason.ABORT)
        last = len(deltas) - 1
        return [(group.sink, self._final(delta, group) if i == last else delta) for i, delta in enumerate(deltas)]

    def fail_all(self, error: RequestError) -> list[Item]:
        return [self._fail(group, error) for group in tuple(self._groups)]

    def step(self) -> list[Item]:
        """One step over whatever there is to do."""
        begin = self.clock()
        items: list[Item] = []
        try:
            chunks = self.scheduler.schedule(begin)
            if failed := self.scheduler.failed:
                items += [self._fail(group, error) for group, error in failed.items() if group in self._groups]
                failed.clear()
                chunks = [chunk for chunk in chunks if chunk.sequence.group in self._groups]
            if not chunks:
                if self._groups and not items and not self.scheduler.restarted:
                    raise RuntimeError("there is work, but nothing could be scheduled")
                return items
            if jobs := self.scheduler.jobs[:]:
                self.scheduler.jobs.clear()
                self._aside(
                    jobs
                )  # not earlier: until the core runs, their thread would only take the GIL from this one
            result = self._runner.run(chunks)
            self._postprocess(chunks, result, items)
        except Exception as error:
            items += self.recover(error)
            return items
        self._record_step(begin, chunks, len(items))
        return items

    def stats(self) -> EngineStats:
        scheduler = self.scheduler
        prompts = [sequence for sequence in tuple(scheduler.running) if sequence.remaining > 1]
        return EngineStats(
            queued=scheduler.queued,
            waiting=len(scheduler.waiting),
            running=len(scheduler.running),
            pages_total=scheduler.pool.total,
            pages_used=scheduler.pool.used,
            pages_idle=scheduler.pool.idle,
            page_bytes=self.backend.cache.page_bytes,
            steps=self._steps,
            tokens_in=self._tokens_in,
            tokens_cached=self._tokens_cached,
            tokens_out=self._tokens_out,
            preemptions=scheduler.preemptions,
            failures=self._failures,
            prefill_done=sum(sequence.computed for sequence in prompts),
            prefill_total=sum(sequence.goal for sequence in prompts),
        )

    def check(self) -> None:
        """Raise RuntimeError where pages, references or queues do not add up; when idle, no page may be in use."""
        self.scheduler.check()
        if not self._groups:
            if self.scheduler.running or self.scheduler.waiting or self.scheduler.queued:
                raise RuntimeError("idle, but sequences are left in the scheduler")
            if self.scheduler.pool.used:
                raise RuntimeError(f"idle, but {self.scheduler.pool.used} pages are in use")

    # --- postprocess -------------------------------------------------------------------------------------------------

    def _postprocess(self, chunks: list[Chunk], result: Result, items: list[Item]) -> None:
        tokens: list[int] = result.tokens.tolist()
        advance = self.scheduler.advance
        row = 0
        for choice, size, scored, sampled in chunks:
            group = choice.group
            if group not in self._groups:  # another of its choices failed in this step
                row += scored + sampled
                continue
            advance(choice, size)
            if scored:
                assert group.prompt_scores is not None
                k = group.params.prompt_logprobs
                group.prompt_scores.extend(self._logprob(result, r, k) for r in range(row, row + scored))
                row += scored
            if sampled:
                if choice.guide is not None:
                    self._take_guided(choice, result, row, items)
                else:
                    wanted = group.params.logprobs
                    logprob = None if wanted is None else self._logprob(result, row, wanted)
                    items.append((group.sink, self._take(choice, tokens[row], logprob)))
                row += 1
            elif group.max_new == 0 and choice.remaining == 0:
                items.append(self._end_scored(choice, self.scheduler.finish))

    def _take_guided(self, choice: Choice, result: Result, row: int, items: list[Item]) -> None:
        """A sampled token of a constrained answer, and those that its grammar forces after it."""
        guide, group = choice.guide, choice.group
        assert guide is not None
        token = int(result.tokens[row])
        if token < 0:
            items.append(self._fail_constraint(group, guide.error or RuntimeError("no token is allowed")))
            return
        wanted = group.params.logprobs
        delta = self._take(choice, token, None if wanted is None else self._logprob(result, row, wanted))
        items.append((group.sink, delta))
        if delta.finish_reason is not None:
            return
        try:
            forced = guide.said(token, group.max_new - choice.generated)
            for token in forced:
                delta = self._take(choice, token, None)
                items.append((group.sink, delta))
                if delta.finish_reason is not None:
                    return
            guide.prepare(forced)
        except Exception as error:
            items.append(self._fail_constraint(group, error))

    def _take(self, choice: Choice, token: int, logprob: TokenLogprob | None) -> Delta:
        """A sampled token becomes a delta, and the last thing of its choice if it ended it."""
        group = choice.group
        delta = choice.output.feed(token, logprob)
        choice.append(token)
        group.completion_tokens += 1
        self._tokens_out += 1
        if group.first_token is None:
            group.first_token = self.clock()
            self._count_prompt(group)
        if choice.generated == 1 and choice.index == 0 and group.prompt_scores is not None:
            delta = Delta(0, delta.text, delta.tokens, delta.logprobs, tuple(group.prompt_scores), delta.finish_reason)
        if delta.finish_reason is not None:
            self.scheduler.finish(choice)
            if not group.unfinished:
                self._close(group, delta.finish_reason)
                delta = self._final(delta, group)
        return delta

    def _end_scored(self, choice: Choice, end: Callable[[Choice], None]) -> Item:
        """A request that only wanted its prompt scored has ended."""
        group = choice.group
        end(choice)
        self._count_prompt(group)
        self._close(group, FinishReason.LENGTH)
        scores = tuple(group.prompt_scores or ())
        delta = Delta(0, prompt_logprobs=scores, finish_reason=FinishReason.LENGTH)
        return group.sink, self._final(delta, group)

    def _logprob(self, result: Result, row: int, k: int | None) -> TokenLogprob:
        data = self.backend.vocabulary.token_bytes
        token = int(result.tokens[row])
        top: tuple[tuple[int, bytes, float], ...] = ()
        if k:
            best = zip(result.top_tokens[row, :k].tolist(), result.top_logprobs[row, :k].tolist(), strict=True)
            top = tuple((other, data(other), logprob) for other, logprob in best if other >= 0)
        return TokenLogprob(token, data(token), float(result.logprobs[row]), top)

    def _final(self, delta: Delta, group: Group) -> Delta:
        usage = Usage(group.planned.total, group.completion_tokens, group.cached_tokens, group.context_use())
        return Delta(
            delta.index, delta.text, delta.tokens, delta.logprobs, delta.prompt_logprobs, delta.finish_reason, usage
        )

    def _count_prompt(self, group: Group) -> None:
        self._tokens_in += group.planned.total
        self._tokens_cached += group.cached_tokens

    # --- ends and failures -------------------------------------------------------------------------------------------

    def _close(self, group: Group, reason: FinishReason | None) -> None:
        del self._groups[group]
        if self._listener is None:
            return
        now = self.clock()
        record = RequestRecord(
            request_id=group.request.request_id,
            prompt_tokens=group.planned.total,
            cached_tokens=group.cached_tokens,
            completion_tokens=group.completion_tokens,
            queued_seconds=None if group.started is None else group.started - group.arrived,
            first_token_seconds=None if group.first_token is None else group.first_token - group.arrived,
            seconds=now - group.arrived,
            finish_reason=reason,
        )
        try:
            self._listener.on_finish(record)
        except Exception:
            _log.exception("a listener failed on a finished request")

    def _fail_constraint(self, group: Group, error: BaseException) -> Item:
        """The answer cannot go on as its grammar wants. The others do."""
        if isinstance(error, RequestError):
            return self._fail(group, error)
        _log.error("the constraint of a request failed", exc_info=error)
        told = f"The engine failed while constraining this answer: {error or type(error).__name__}"
        return self._fail(group, RequestError(told, status=500, type="server_error", code="engine_error"))

    def _fail(self, group: Group, error: RequestError) -> Item:
        self.scheduler.remove(group)
        self._close(group, None)
        return group.sink, error

    def recover(self, error: Exception) -> list[Item]:
        """A step failed: nobody knows what is in its pages. The requests that had started end, the queue goes on."""
        _log.error("a step failed, and with it the running requests", exc_info=error)
        self._failures += 1
        told = RequestError(
            f"The engine failed while running this request: {error or type(error).__name__}",
            status=500,
            type="server_error",
            code="engine_error",
        )
        started = [group for group in self._groups if group.started is not None]
        return [self._fail(group, told) for group in started or tuple(self._groups)]

    def _record_step(self, begin: float, chunks: list[Chunk], sampled: int) -> None:
        self._steps += 1
        if self._listener is None:
            return
        tokens = sum(chunk.size for chunk in chunks)
        try:
            self._listener.on_step(StepRecord(self.clock() - begin, len(chunks), tokens, sampled))
        except Exception:
            _log.exception("a listener failed on a step")


def _do(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job()
