"""Constrained answers against the model made of hashes: masks that come late, forced tokens, grammars that fail."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.driving import Driver
from engine.fake_core import EOS, FakeModel, fake_backend
from engine.fake_grammar import FakeGrammar, walk
from spatz.engine.guide import Job, MaskThread
from spatz.engine.options import EngineOptions
from spatz.engine.request import FinishReason
from spatz.engine.stepper import Stepper
from spatz.errors import RequestError


def make(*, pages: int = 64, aside: Any = None, **options: Any) -> tuple[Driver, FakeModel]:
    model = FakeModel(eos_logit=-50.0)
    return Driver(Stepper(fake_backend(pages=pages, model=model), EngineOptions(**options), aside=aside)), model


def prompt_of(size: int, salt: int = 0) -> list[int]:
    return [(7 * i + 13 * salt + i * i) % 256 for i in range(size)]


def ended(tokens: list[int]) -> list[int]:
    return [token for token in tokens if token != EOS]


def test_every_token_is_one_that_the_grammar_allows() -> None:
    driver, _ = make()
    answer, _ = driver.submit(prompt_of(9), constraint=lambda: FakeGrammar(forces=False), max_tokens=40, seed=1)
    driver.finish()
    assert answer.tokens == [walk(prompt_of(9), 40, FakeGrammar(forces=False), seed=1)]
    assert answer.reasons == [FinishReason.LENGTH]


@pytest.mark.parametrize("salt", [1, 4])
def test_forced_tokens_are_run_without_being_sampled(salt: int) -> None:
    """Runs of 3, and (salt 4) of 40, which is more than a step takes beside others."""
    driver, model = make()
    answer, _ = driver.submit(prompt_of(9), constraint=lambda: FakeGrammar(salt), max_tokens=100, seed=2)
    driver.finish()
    assert answer.tokens == [walk(prompt_of(9), 100, FakeGrammar(salt), seed=2)]
    assert answer.usage is not None and answer.usage.completion_tokens == 100
    assert model.calls < 85
    assert max(size for batch in model.batches[1:] for _, size in batch) == (41 if salt == 4 else 4)


def test_forced_tokens_count_for_penalties_and_draws() -> None:
    driver, _ = make()
    sampling = {"frequency_penalty": 0.8, "repetition_penalty": 1.3}
    answer, _ = driver.submit(prompt_of(9), constraint=FakeGrammar, max_tokens=60, seed=3, **sampling)
    driver.finish()
    assert answer.tokens == [walk(prompt_of(9), 60, FakeGrammar(), seed=3, **sampling)]


def test_with_logprobs_the_answer_is_the_same_and_every_token_has_one() -> None:
    driver, model = make()
    answer, _ = driver.submit(prompt_of(9), constraint=lambda: FakeGrammar(end=50), seed=4, logprobs=2)
    driver.finish()
    right = walk(prompt_of(9), 60, FakeGrammar(end=50), seed=4)
    assert answer.tokens == [ended(right)] and answer.reasons == [FinishReason.STOP]
    assert [logprob.token for logprob in answer.logprobs[0]] == answer.tokens[0]
    assert model.calls == len(right)


@pytest.mark.parametrize("ignore_eos", [False, True])
def test_where_nothing_else_may_follow_the_answer_ends_without_a_step(ignore_eos: bool) -> None:
    driver, model = make()
    answer, _ = driver.submit(prompt_of(9), constraint=lambda: FakeGrammar(end=5), seed=5, ignore_eos=ignore_eos)
    driver.finish()
    assert answer.tokens == [walk(prompt_of(9), 5, FakeGrammar(end=5), seed=5)]
    assert answer.reasons == [FinishReason.STOP] and model.calls == 5
    assert answer.usage is not None and answer.usage.completion_tokens == 6  # with the end-of-turn token


@pytest.mark.parametrize("limit", [7, 8, 9, 10, 11])
def test_the_limit_may_cut_forced_tokens(limit: int) -> None:
    driver, _ = make()
    answer, _ = driver.submit(prompt_of(9), constraint=FakeGrammar, max_tokens=limit, seed=6)
    driver.finish()
    assert answer.tokens == [walk(prompt_of(9), limit, FakeGrammar(), seed=6)]
    assert answer.reasons == [FinishReason.LENGTH]


def test_a_stop_string_inside_forced_tokens() -> None:
    driver, _ = make()
    right = walk(prompt_of(9), 60, FakeGrammar(2), seed=7)
    stop = chr(right[8])  # in the first run, 62 + 7 to 62 + 9
    assert right[7:10] == [69, 70, 71] and stop == "F" and right.index(70) == 8
    answer, _ = driver.submit(prompt_of(9), constraint=lambda: FakeGrammar(2), max_tokens=60, seed=7, stop=[stop])
    driver.finish()
    assert answer.tokens == [right[:8]] and answer.reasons == [FinishReason.STOP]
    assert answer.texts[0].endswith("E")


def test_preemption_and_prefix_reuse_change_nothing() -> None:
    driver, _ = make(pages=33, max_running=6)
    grammars = [lambda salt=salt: FakeGrammar(salt) for salt in range(6)]
    answers = [
        driver.submit(prompt_of(30, salt // 2), constraint=grammar, max_tokens=80, seed=salt)[0]
        for salt, grammar in enumerate(grammars)
    ]
    driver.finish()
    assert driver.stepper.stats().preemptions > 0
    for salt, answer in enumerate(answers):
        assert answer.tokens == [walk(prompt_of(30, salt // 2), 80, FakeGrammar(salt), seed=salt)]


def test_each_choice_has_a_grammar_of_its_own() -> None:
    driver, _ = make()
    answer, _ = driver.submit(prompt_of(21), constraint=FakeGrammar, max_tokens=40, seed=8, n=5)
    driver.finish()
    for index in range(5):
        assert answer.tokens[index] == walk(prompt_of(21), 40, FakeGrammar(), seed=8 + index)
    assert len({tuple(tokens) for tokens in answer.tokens}) == 5


@pytest.mark.parametrize("fails", ["mask", "accept", "forced", "empty"])
@pytest.mark.parametrize("fail_at", [0, 5])
@pytest.mark.parametrize("n", [1, 3])
def test_a_grammar_that_fails_ends_its_request_only(fails: str, fail_at: int, n: int) -> None:
    driver, _ = make()
    other, _ = driver.submit(prompt_of(9, 1), constraint=FakeGrammar, max_tokens=40, seed=9)
    bad, _ = driver.submit(
        prompt_of(9), constraint=lambda: FakeGrammar(forces=False, fails=fails, fail_at=fail_at), max_tokens=40, n=n
    )
    plain, _ = driver.submit(prompt_of(9, 2), max_tokens=40, seed=10)
    driver.finish()
    assert bad.error is not None and bad.error.status == 500 and bad.error.code == "engine_error"
    assert other.tokens == [walk(prompt_of(9, 1), 40, FakeGrammar(), seed=9)]
    assert len(plain.tokens[0]) == 40 and driver.stepper.stats().failures == 0


def test_a_grammar_that_cannot_be_made_tells_its_own_reason() -> None:
    def broken() -> FakeGrammar:
        raise RequestError("too large", code="invalid_grammar")

    driver, _ = make()
    answer, _ = driver.submit(prompt_of(9), constraint=broken, max_tokens=5)
    driver.finish()
    assert answer.error is not None and (answer.error.message, answer.error.status) == ("too large", 400)


class HeldJobs:
    """Does the jobs in a thread, but none before the forward pass waits for them."""

    def __init__(self) -> None:
        self.thread = MaskThread()
        self.entered = threading.Event()
        self.done = 0

    def __call__(self, jobs: Sequence[Job]) -> None:
        self.entered.clear()

        def late() -> None:
            assert self.entered.wait(60)
            for job in jobs:
                job()
            self.done += len(jobs)

        self.thread([late])


def test_the_sampler_waits_for_a_mask_that_is_late() -> None:
    aside = HeldJobs()
    model = FakeModel(eos_logit=-50.0)

    def entered(*args: Any) -> Any:
        aside.entered.set()
        return model.forward(*args)

    backend = replace(fake_backend(model=model), forward=entered)
    driver = Driver(Stepper(backend, EngineOptions(), aside=aside))
    aside.thread.start()
    answers = [
        driver.submit(prompt_of(9, salt), constraint=lambda salt=salt: FakeGrammar(salt), max_tokens=30, seed=salt)[0]
        for salt in range(4)
    ]
    driver.finish()
    aside.thread.stop()
    assert aside.done > 40
    for salt, answer in enumerate(answers):
        assert answer.tokens == [walk(prompt_of(9, salt), 30, FakeGrammar(salt), seed=salt)]


def test_cancelling_while_a_mask_is_made() -> None:
    waiting: list[Job] = []
    driver, _ = make(aside=waiting.extend)
    answer, group = driver.submit(prompt_of(9), constraint=FakeGrammar, max_tokens=30)
    driver.stepper.scheduler.schedule(0.0)
    assert driver.stepper.scheduler.jobs
    driver.cancel(group)
    for job in driver.stepper.scheduler.jobs:
        job()
    driver.finish()
    assert answer.reasons == [FinishReason.ABORT] and driver.stepper.stats().pages_used == 0
