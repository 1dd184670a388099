"""Background requests beside live ones: they run in what those leave, and give way when one comes."""

from __future__ import annotations

from typing import Any

import pytest

from engine.driving import Answer, Driver
from engine.fake_core import FakeModel, fake_backend, reference
from engine.test_engine import GatedModel, collect, running, step_is_running
from spatz.engine.options import EngineOptions
from spatz.engine.request import Priority, Request, SamplingParams
from spatz.engine.stepper import Stepper
from spatz.errors import OverloadedError

BACK = Priority.BACKGROUND


def make(*, pages: int = 256, **options: Any) -> tuple[Driver, FakeModel]:
    model = FakeModel(eos_logit=-50.0)
    return Driver(Stepper(fake_backend(pages=pages, model=model), EngineOptions(**options))), model


def prompt_of(size: int, salt: int = 0) -> list[int]:
    return [(7 * i + 13 * salt + i * i) % 256 for i in range(size)]


def right(answer: Answer, size: int, salt: int, count: int) -> bool:
    return answer.tokens == [reference(prompt_of(size, salt), count, seed=salt, model=FakeModel(eos_logit=-50.0))]


def test_a_live_request_is_run_before_background_ones_that_came_first() -> None:
    driver, _ = make(max_running=1)
    first, _ = driver.submit(prompt_of(5, 1), priority=BACK, max_tokens=3, seed=1)
    second, _ = driver.submit(prompt_of(5, 2), priority=BACK, max_tokens=3, seed=2)
    live, _ = driver.submit(prompt_of(5, 3), max_tokens=3, seed=3)
    driver.finish()
    assert live.steps[-1] < first.steps[0] < second.steps[0]
    assert right(first, 5, 1, 3) and right(second, 5, 2, 3) and right(live, 5, 3, 3)


def test_a_live_request_takes_the_place_of_a_running_background_one() -> None:
    driver, _ = make(max_running=4)
    back = [driver.submit(prompt_of(5, i), priority=BACK, max_tokens=40, seed=i)[0] for i in range(6)]
    for _ in range(5):
        driver.step()
    assert driver.stepper.stats().running == 3  # a quarter of the places is closed to them
    live = [driver.submit(prompt_of(5, 10 + i), max_tokens=10, seed=10 + i)[0] for i in range(3)]
    driver.step()
    assert all(answer.steps == [6] for answer in live)
    driver.finish()
    assert driver.stepper.stats().preemptions == 2
    assert all(right(answer, 5, i, 40) for i, answer in enumerate(back))
    assert all(right(answer, 5, 10 + i, 10) for i, answer in enumerate(live))


def test_pages_are_taken_from_background_sequences_first() -> None:
    """33 pages of 8 tokens: the live prompt of 240 tokens needs nearly all, the background ones came first."""
    driver, _ = make(pages=33, chunk_tokens=64, busy_chunk_tokens=32)
    back = [driver.submit(prompt_of(30, i), priority=BACK, max_tokens=30, seed=i)[0] for i in range(4)]
    for _ in range(8):
        driver.step()
    live, _ = driver.submit(prompt_of(240, 9), max_tokens=10, seed=9)
    for _ in range(25):
        driver.step()
    assert live.done and not any(answer.done for answer in back)
    driver.finish()
    assert right(live, 240, 9, 10) and all(right(answer, 30, i, 30) for i, answer in enumerate(back))


def test_a_live_answer_waits_for_one_chunk_and_a_bounded_number_of_rows() -> None:
    driver, model = make(max_running=16, background_running=3, busy_chunk_tokens=10, chunk_tokens=40)
    back = [driver.submit(prompt_of(5, i), priority=BACK, max_tokens=30, seed=i)[0] for i in range(12)]
    for _ in range(4):
        driver.step()
    live, _ = driver.submit(prompt_of(5, 20), max_tokens=20, seed=20)
    long, _ = driver.submit(prompt_of(200, 21), priority=BACK, max_tokens=2, seed=21)
    begin = len(model.batches)
    while not live.done:
        driver.step()
    assert len(live.tokens[0]) == 20 and live.steps == list(range(live.steps[0], live.steps[0] + 20))
    for batch in model.batches[begin + 1 :]:
        assert sum(size == 1 for _, size in batch) <= 1 + 3 + 1  # the live one, three answers, a rest of the prompt
        assert sum(size for _, size in batch) <= 4 + 10
    said = [len(answer.tokens[0]) for answer in back]
    assert max(said) - min(said) <= 2  # in turns
    driver.finish()
    assert right(long, 200, 21, 2) and all(right(answer, 5, i, 30) for i, answer in enumerate(back))


def test_background_prompts_get_what_live_prompts_leave_of_a_chunk() -> None:
    driver, model = make(chunk_tokens=32, busy_chunk_tokens=32)
    driver.submit(prompt_of(60, 1), priority=BACK, max_tokens=2)
    driver.submit(prompt_of(40, 2), max_tokens=2)
    driver.step()
    assert model.batches[0] == [(0, 32)]  # live alone
    driver.step()
    assert model.batches[1] == [(32, 8), (0, 24)]
    driver.finish()


def test_many_live_choices_leave_places_to_background_requests() -> None:
    driver, _ = make(max_running=8)
    choices, _ = driver.submit(prompt_of(9), n=20, max_tokens=30, seed=1)
    back, _ = driver.submit(prompt_of(9, 5), priority=BACK, max_tokens=5, seed=5)
    driver.finish()
    assert back.steps[-1] < choices.steps[-1] and right(back, 9, 5, 5)


@pytest.mark.parametrize("full", [Priority.LIVE, Priority.BACKGROUND])
async def test_a_queue_full_of_one_priority_refuses_only_that(full: Priority) -> None:
    model = GatedModel(eos_logit=-50.0)

    def request(priority: Priority) -> Request:
        return Request([1, 2, 3], SamplingParams(max_tokens=2), priority=priority)

    async with running(model, max_running=1, max_waiting=3) as engine:
        streams = [engine.submit(request(full))]
        await step_is_running(model)
        streams += [engine.submit(request(full)) for _ in range(3)]
        with pytest.raises(OverloadedError):
            engine.submit(request(full))
        streams.append(engine.submit(request(Priority(1 - full))))
        assert engine.stats().queued <= 4
        model.open()
        answers = [await collect(stream) for stream in streams]
    assert all(len(answer.tokens[0]) == 2 for answer in answers)
