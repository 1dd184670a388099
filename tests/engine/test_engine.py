"""The engine with its thread: submit, stream, cancel, overload, failure, drain and stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.driving import Answer
from engine.fake_core import FakeModel, FakeResult, fake_backend, reference
from spatz.engine.engine import Engine
from spatz.engine.options import EngineOptions
from spatz.engine.request import Delta, FinishReason, Request, SamplingParams
from spatz.engine.stats import RequestRecord, StepRecord
from spatz.errors import ConfigError, ContextLengthError, OverloadedError, RequestError

GUARD = 300.0  # seconds after which a test that hangs is ended; nothing depends on it


class GatedModel(FakeModel):
    """Steps only when the test says so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.gate = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)

    def forward(self, *args: Any) -> FakeResult:
        self.entered.release()
        self.gate.acquire()
        return super().forward(*args)

    def open(self) -> None:
        self.gate.release(1_000_000)


class Recorder:
    def __init__(self) -> None:
        self.steps: list[StepRecord] = []
        self.requests: list[RequestRecord] = []

    def on_step(self, record: StepRecord) -> None:
        self.steps.append(record)

    def on_finish(self, record: RequestRecord) -> None:
        self.requests.append(record)


@asynccontextmanager
async def running(model: FakeModel | None = None, **options: Any) -> AsyncIterator[Engine]:
    model = model or FakeModel(eos_logit=-50.0)
    listener = options.pop("listener", None)
    engine = Engine(fake_backend(model=model), EngineOptions(**options), listener)
    engine.start()
    try:
        yield engine
    finally:
        if isinstance(model, GatedModel):
            model.open()
        await asyncio.to_thread(engine.stop)
        engine.check()


def request(size: int = 5, **params: Any) -> Request:
    return Request(list(range(size)), SamplingParams(**params))


async def collect(deltas: AsyncIterator[Delta], n: int = 1) -> Answer:
    answer = Answer(n)
    async for delta in deltas:
        answer.take(delta)
    return answer


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop and the step thread run."""
    async with asyncio.timeout(GUARD):
        while not condition():
            await asyncio.to_thread(lambda: None)


async def step_is_running(model: GatedModel) -> None:
    assert await asyncio.to_thread(model.entered.acquire, timeout=GUARD)


async def test_requests_side_by_side_are_answered() -> None:
    async with running() as engine:
        answers = await asyncio.gather(
            *(collect(engine.generate(request(5 + i, max_tokens=20, seed=i))) for i in range(8))
        )
    for i, answer in enumerate(answers):
        right = reference(list(range(5 + i)), 20, seed=i, model=FakeModel(eos_logit=-50.0))
        assert answer.tokens == [right] and answer.reasons == [FinishReason.LENGTH]


async def test_bad_requests_are_refused_at_once() -> None:
    async with running() as engine:
        with pytest.raises(RequestError, match="temperature"):
            engine.submit(request(temperature=3.0))
        with pytest.raises(ContextLengthError):
            engine.submit(request(256))
        with pytest.raises(RequestError):
            await anext(engine.generate(request(0)))


async def leave_by_aclose(engine: Engine) -> None:
    deltas = engine.generate(request(max_tokens=200))
    await anext(deltas)
    await deltas.aclose()  # type: ignore[attr-defined]


async def leave_by_task(engine: Engine) -> None:
    got_one = asyncio.Event()

    async def read() -> None:
        async for _ in engine.generate(request(max_tokens=200)):
            got_one.set()

    task = asyncio.create_task(read())
    await got_one.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def leave_by_break(engine: Engine) -> None:
    async with engine.submit(request(max_tokens=200)) as stream:
        async for _ in stream:
            break


async def leave_by_exception(engine: Engine) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with engine.submit(request(max_tokens=200)) as stream:
            await anext(stream)
            raise ValueError("mine")


@pytest.mark.parametrize("leave", [leave_by_aclose, leave_by_task, leave_by_break, leave_by_exception])
async def test_a_consumer_that_goes_away_frees_its_place_within_a_step(
    leave: Callable[[Engine], Awaitable[None]],
) -> None:
    model = GatedModel(eos_logit=-50.0)
    async with running(model) as engine:
        leaving = asyncio.ensure_future(leave(engine))
        await step_is_running(model)
        model.gate.release()
        await leaving  # while the second step is held at the gate, or about to be
        await until(lambda: engine.stats().running == 0 or model.entered.acquire(blocking=False))
        model.gate.release()
        await until(lambda: engine.stats().running == 0)
        assert model.calls <= 2
        assert engine.stats().pages_used == 0


async def test_cancel_lets_the_consumer_read_the_end() -> None:
    async with running() as engine:
        stream = engine.submit(request(max_tokens=250, n=2))
        await anext(stream)
        stream.cancel()
        rest = [delta async for delta in stream]
        assert {delta.index for delta in rest if delta.finish_reason is FinishReason.ABORT} == {0, 1}
        assert rest[-1].usage is not None and rest[-1].usage.prompt_tokens == 5


async def test_a_full_queue_is_refused_with_429() -> None:
    model = GatedModel(eos_logit=-50.0)
    async with running(model, max_running=1, max_waiting=2) as engine:
        streams = [engine.submit(request(max_tokens=1))]
        await step_is_running(model)
        streams += [engine.submit(request(max_tokens=1)) for _ in range(2)]
        with pytest.raises(OverloadedError) as caught:
            engine.submit(request(max_tokens=1))
        assert caught.value.status == 429 and caught.value.code == "rate_limit_exceeded"
        streams[1].close()  # a place in the queue is free again when the note was read
        model.gate.release()
        await step_is_running(model)
        streams.append(engine.submit(request(max_tokens=1)))
        model.open()
        for stream in (streams[0], *streams[2:]):
            assert (await collect(stream)).usage is not None


async def test_a_failure_of_the_core_ends_the_running_and_serves_the_next() -> None:
    async with running(FakeModel(eos_logit=-50.0, fail_on={3})) as engine:
        with pytest.raises(RequestError) as caught:
            await collect(engine.generate(request(max_tokens=10)))
        assert caught.value.status == 500 and caught.value.type == "server_error"
        answer = await collect(engine.generate(request(max_tokens=10, seed=1)))
        assert answer.tokens == [reference(list(range(5)), 10, seed=1, model=FakeModel(eos_logit=-50.0))]
        assert engine.stats().failures == 1


async def test_draining_finishes_what_runs_and_refuses_what_comes() -> None:
    model = GatedModel(eos_logit=-50.0)
    async with running(model) as engine:
        reader = asyncio.create_task(collect(engine.generate(request(max_tokens=5))))
        await step_is_running(model)
        assert not await engine.drain(0.0)
        with pytest.raises(OverloadedError) as caught:
            engine.submit(request())
        assert caught.value.status == 503
        model.open()
        assert await engine.drain(GUARD)
        assert (await reader).usage is not None
        assert await engine.drain(GUARD)  # idle already


async def test_stopping_tells_everybody() -> None:
    model = GatedModel(eos_logit=-50.0)
    engine = Engine(fake_backend(model=model), EngineOptions(max_running=1))
    engine.start()
    readers = [asyncio.create_task(collect(engine.generate(request(max_tokens=50)))) for _ in range(3)]
    await step_is_running(model)
    model.open()
    await asyncio.to_thread(engine.stop)
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert all(
        (isinstance(result, OverloadedError) and result.status == 503)
        or (isinstance(result, Answer) and result.usage is not None)
        for result in results
    )
    with pytest.raises(OverloadedError):
        engine.submit(request())
    engine.stop()  # twice is no harm
    engine.check()
    assert await engine.drain(1.0)


async def test_it_takes_requests_only_after_start_and_starts_once() -> None:
    engine = Engine(fake_backend())
    with pytest.raises(OverloadedError):
        engine.submit(request())
    engine.stop()
    async with running() as started:
        with pytest.raises(RuntimeError, match="before"):
            started.start()


def test_a_cache_too_small_for_one_sequence_is_refused() -> None:
    with pytest.raises(ConfigError, match="31 pages"):
        Engine(fake_backend(pages=31))


async def test_the_listener_is_told_and_cannot_break_anything() -> None:
    recorder = Recorder()
    async with running(listener=recorder) as engine:
        await collect(engine.generate(Request([1] * 20, SamplingParams(max_tokens=4, n=2), "first")), 2)
        await collect(engine.generate(Request([1] * 20, SamplingParams(max_tokens=4), "second")))
        assert await engine.drain(GUARD)
    first, second = recorder.requests
    assert (first.request_id, first.prompt_tokens, first.cached_tokens, first.completion_tokens) == ("first", 20, 0, 8)
    assert (second.cached_tokens, second.finish_reason) == (16, FinishReason.LENGTH)
    for record in recorder.requests:
        assert record.queued_seconds is not None and record.first_token_seconds is not None
        assert 0 <= record.queued_seconds <= record.first_token_seconds <= record.seconds
        assert record.token_seconds is not None and record.token_seconds >= 0
    assert sum(step.sampled for step in recorder.steps) == 12
    assert sum(step.tokens for step in recorder.steps) == 19 + 8 + 4 + 3


class Broken(Recorder):
    def on_step(self, record: StepRecord) -> None:
        raise ValueError("step")

    def on_finish(self, record: RequestRecord) -> None:
        raise ValueError("finish")


async def test_a_listener_that_fails_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with running(listener=Broken()) as engine:
        assert (await collect(engine.generate(request(max_tokens=2)))).usage is not None
    assert "a listener failed" in caplog.text


def test_a_loop_that_closed_loses_its_requests_only() -> None:
    model = GatedModel(eos_logit=-50.0)
    engine = Engine(fake_backend(model=model))
    engine.start()

    async def abandon() -> None:
        engine.submit(request(max_tokens=200))
        await step_is_running(model)

    asyncio.run(abandon())
    model.open()

    async def serve() -> Answer:
        return await collect(engine.generate(request(max_tokens=3)))

    assert asyncio.run(serve()).usage is not None

    async def drained() -> bool:
        return await engine.drain(GUARD)

    assert asyncio.run(drained())
    engine.stop()
    engine.check()
