"""The scheduler against a model made of hashes: the answer of a sequence never depends on what ran beside it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.driving import DictTier, Driver
from engine.fake_core import EOS, FakeCache, FakeModel, fake_backend, reference
from spatz.engine.options import EngineOptions
from spatz.engine.request import FinishReason, Usage
from spatz.engine.stepper import Stepper

PAGE = 8


def make(
    *, pages: int = 64, eos_logit: float = -50.0, context_length: int = 256, **options: Any
) -> tuple[Driver, FakeModel]:
    model = FakeModel(eos_logit=eos_logit)
    backend = fake_backend(pages=pages, page_tokens=PAGE, context_length=context_length, model=model)
    return Driver(Stepper(backend, EngineOptions(**options))), model


def expected(prompt: list[int], count: int, seed: int, **sampling: float) -> list[int]:
    return reference(prompt, count, seed=seed, model=FakeModel(eos_logit=-50.0), **sampling)


def prompt_of(size: int, salt: int = 0) -> list[int]:
    return [(7 * i + 13 * salt + i * i) % 256 for i in range(size)]


def test_one_sequence_gives_the_answer_of_a_loop_without_pages() -> None:
    driver, _ = make()
    answer, _ = driver.submit(prompt_of(21), max_tokens=40, seed=5)
    driver.finish()
    assert answer.tokens == [expected(prompt_of(21), 40, 5)]
    assert answer.reasons == [FinishReason.LENGTH] and answer.usage == Usage(21, 40, 0)


@pytest.mark.parametrize("size", [1, 2, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 1])
def test_prompts_around_the_borders_of_pages(size: int) -> None:
    driver, _ = make(chunk_tokens=5, busy_chunk_tokens=3)
    answers = [driver.submit(prompt_of(size, salt), max_tokens=2 * PAGE + 1, seed=salt)[0] for salt in (1, 2)]
    again, _ = driver.submit(prompt_of(size, 1), max_tokens=2 * PAGE + 1, seed=1)
    driver.finish()
    for salt, answer in zip((1, 2, 1), [*answers, again], strict=True):
        assert answer.tokens == [expected(prompt_of(size, salt), 2 * PAGE + 1, salt)]


def test_end_of_turn_ends_a_sequence_and_is_counted() -> None:
    driver, _ = make(eos_logit=6.0)
    answer, _ = driver.submit(prompt_of(9), seed=3)
    driver.finish()
    alone = reference(prompt_of(9), 240, seed=3, model=FakeModel(eos_logit=6.0))
    assert alone[-1] == EOS and answer.tokens == [alone[:-1]]
    assert answer.reasons == [FinishReason.STOP] and answer.usage == Usage(9, len(alone), 0)


def test_without_a_limit_the_context_is_filled() -> None:
    driver, _ = make(context_length=50)
    answer, _ = driver.submit(prompt_of(20))
    driver.finish()
    assert len(answer.tokens[0]) == 30 and answer.reasons == [FinishReason.LENGTH]


def test_a_running_answer_gets_a_token_in_every_step_of_a_long_prompt() -> None:
    driver, model = make(chunk_tokens=64, busy_chunk_tokens=16)
    running, _ = driver.submit(prompt_of(5), max_tokens=60)
    driver.step()
    driver.submit(prompt_of(200, 1), max_tokens=1)
    driver.finish()
    assert running.steps == list(range(1, 61))
    assert max(sum(count for _, count in batch) for batch in model.batches) <= 17


def test_prompts_share_a_step_and_a_short_one_does_not_wait_for_a_long_one() -> None:
    driver, model = make(chunk_tokens=32, busy_chunk_tokens=32)
    long, _ = driver.submit(prompt_of(240, 1), max_tokens=1)
    short, _ = driver.submit(prompt_of(10, 2), max_tokens=1)
    driver.finish()
    assert short.steps == [1]
    assert model.batches[0] == [(0, 22), (0, 10)]  # what the short one leaves goes to the oldest
    assert long.steps == [-(-(240 - 22) // 32) + 1]


def test_the_oldest_prompt_always_gets_half() -> None:
    driver, model = make(chunk_tokens=32, busy_chunk_tokens=32)
    driver.submit(prompt_of(100, 1), max_tokens=1)
    for salt in range(2, 8):
        driver.submit(prompt_of(30, salt), max_tokens=1)
    driver.step()
    assert model.batches[0] == [(0, 16), (0, 16)]
    driver.finish()


def test_requests_are_admitted_in_order_as_pages_allow() -> None:
    driver, _ = make(pages=32)
    big, _ = driver.submit(prompt_of(200, 1), max_tokens=20)
    blocked, _ = driver.submit(prompt_of(100, 2), max_tokens=1)
    small, _ = driver.submit(prompt_of(3, 3), max_tokens=1)
    driver.finish()
    assert big.steps[-1] < blocked.steps[0] <= small.steps[0]  # the small one would fit, but is not let past
    assert driver.stepper.stats().preemptions == 0


def test_no_more_than_max_running_sequences_in_a_step() -> None:
    driver, model = make(max_running=3)
    answers = [driver.submit(prompt_of(4, salt), max_tokens=9, seed=salt)[0] for salt in range(10)]
    driver.finish()
    assert max(map(len, model.batches)) == 3
    for salt, answer in enumerate(answers):
        assert answer.tokens == [expected(prompt_of(4, salt), 9, salt)]


def test_preemption_changes_no_answer() -> None:
    """Four sequences that grow to 100 tokens each in a pool for 256: the youngest have to go back to the queue."""
    for reuse in (True, False):
        driver, _ = make(pages=32, prefix_reuse=reuse)
        answers = [driver.submit(prompt_of(20, s), max_tokens=80, seed=s, logprobs=1)[0] for s in range(4)]
        driver.finish()
        assert driver.stepper.stats().preemptions > 0
        for salt, answer in enumerate(answers):
            assert answer.tokens == [expected(prompt_of(20, salt), 80, salt)]
            assert [logprob.token for logprob in answer.logprobs[0]] == answer.tokens[0]
            assert answer.usage == Usage(20, 80, 0)
        assert len(answers[0].steps) == 80 and answers[0].steps[-1] == 80  # the oldest never waited


def test_a_preempted_answer_finds_its_own_pages_again() -> None:
    driver, model = make()
    answer, _ = driver.submit(prompt_of(8), max_tokens=110, seed=2)
    for _ in range(90):
        driver.step()
    run = model.computed
    scheduler = driver.stepper.scheduler
    scheduler._preempt(scheduler.running[0])
    driver.step()
    assert 0 < model.computed - run <= PAGE
    driver.finish()
    assert answer.tokens == [expected(prompt_of(8), 110, 2)]
    assert answer.usage == Usage(8, 110, 0)


def test_preemption_keeps_penalties() -> None:
    driver, _ = make(pages=32)
    sampling = {"frequency_penalty": 1.5, "repetition_penalty": 1.2}
    answers = [driver.submit(prompt_of(20, s), max_tokens=80, seed=s, **sampling)[0] for s in range(4)]
    driver.finish()
    assert driver.stepper.stats().preemptions > 0
    for salt, answer in enumerate(answers):
        assert answer.tokens == [expected(prompt_of(20, salt), 80, salt, **sampling)]


# --- prefix reuse ----------------------------------------------------------------------------------------------------


def test_a_known_prefix_is_not_run_again() -> None:
    driver, model = make()
    first, _ = driver.submit(prompt_of(50), max_tokens=1, seed=1)
    driver.finish()
    run = model.computed
    second, _ = driver.submit([*prompt_of(50), 1, 2, 3], max_tokens=1, seed=1)
    driver.finish()
    assert first.usage == Usage(50, 1, 0) and second.usage == Usage(53, 1, 48)
    assert model.computed - run == 5
    assert second.tokens == [expected([*prompt_of(50), 1, 2, 3], 1, 1)]


@pytest.mark.parametrize("size", [PAGE, 2 * PAGE, 4 * PAGE])
def test_the_last_token_of_a_known_prompt_is_run(size: int) -> None:
    driver, model = make()
    for _ in range(2):
        answer, _ = driver.submit(prompt_of(size), max_tokens=3, seed=1)
        driver.finish()
        assert answer.tokens == [expected(prompt_of(size), 3, 1)]
    assert answer.usage == Usage(size, 3, size - PAGE)
    assert model.batches[-3] == [(size - PAGE, PAGE)]


def test_the_next_turn_finds_the_answer_too() -> None:
    driver, _ = make()
    first, _ = driver.submit(prompt_of(20), max_tokens=30, seed=1)
    driver.finish()
    turn = [*prompt_of(20), *first.tokens[0], 1, 2, 3]
    second, _ = driver.submit(turn, max_tokens=5, seed=2)
    driver.finish()
    assert second.usage == Usage(53, 5, 48)
    assert second.tokens == [expected(turn, 5, 2)]


def test_prompts_that_arrive_together_run_their_common_beginning_once() -> None:
    driver, model = make()
    common = prompt_of(64)
    answers = [driver.submit([*common, salt], max_tokens=4, seed=salt)[0] for salt in range(8)]
    driver.finish()
    assert model.computed == 64 + 8 * 1 + 8 * 3
    for salt, answer in enumerate(answers):
        assert answer.tokens == [expected([*common, salt], 4, salt)]
        assert answer.usage is not None and answer.usage.cached_tokens == (64 if salt else 0)


def test_equal_pages_computed_in_one_step_become_one() -> None:
    """Two answers that happen to be the same, greedy from one prompt: their pages are shared as they fill."""
    driver, _ = make()
    for _ in range(2):
        driver.submit(prompt_of(3), max_tokens=40, temperature=0.0)
    while driver.steps < 39:
        driver.step()
    assert driver.stepper.stats().pages_used == 5 + 2  # 41 tokens each: five full pages, and one of their own
    driver.finish()


def test_reuse_can_be_switched_off() -> None:
    driver, _ = make(prefix_reuse=False)
    for _ in range(2):
        answer, _ = driver.submit(prompt_of(50), max_tokens=1)
        driver.finish()
        assert answer.usage == Usage(50, 1, 0)
    assert driver.stepper.stats().pages_idle == 0


def test_old_prefixes_make_room_for_new_ones() -> None:
    driver, _ = make(pages=32)
    for salt in range(10):
        answer, _ = driver.submit(prompt_of(120, salt), max_tokens=1, seed=salt)
        driver.finish()
        assert answer.tokens == [expected(prompt_of(120, salt), 1, salt)]
    newest, _ = driver.submit(prompt_of(120, 9), max_tokens=1)
    oldest, _ = driver.submit(prompt_of(120, 0), max_tokens=1)
    driver.finish()
    assert newest.usage == Usage(120, 1, 112) and oldest.usage == Usage(120, 1, 0)


def test_pages_of_a_tier_outlive_the_engine() -> None:
    tier = DictTier()
    for cached in (0, 48):
        model = FakeModel(eos_logit=-50.0)
        driver = Driver(Stepper(fake_backend(model=model), EngineOptions(), tiers=[tier]))
        answer, _ = driver.submit(prompt_of(50), max_tokens=20, seed=1)
        driver.finish()
        assert answer.usage == Usage(50, 20, cached) and model.computed == 69 - cached
        assert answer.tokens == [expected(prompt_of(50), 20, 1)]
    assert len(tier.pages) == 69 // PAGE


# --- several choices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 5, PAGE, PAGE + 1, 3 * PAGE + 3])
def test_choices_share_the_prompt_and_answer_like_requests_of_their_own(size: int) -> None:
    driver, model = make()
    answer, _ = driver.submit(prompt_of(size), max_tokens=20, n=5, seed=100)
    driver.finish()
    assert answer.tokens == [expected(prompt_of(size), 20, 100 + i) for i in range(5)]
    assert answer.usage == Usage(size, 100, 0)
    assert model.computed == size - 1 + 5 * 20
    cache = driver.stepper.backend.cache
    assert isinstance(cache, FakeCache) and cache.copies == (4 if (size - 1) % PAGE else 0)


def test_more_choices_than_places_and_pages() -> None:
    driver, _ = make(pages=32, max_running=6)
    answer, _ = driver.submit(prompt_of(60), max_tokens=40, n=20, seed=7)
    other, _ = driver.submit(prompt_of(30, 1), max_tokens=5, seed=1)
    driver.finish()
    assert answer.tokens == [expected(prompt_of(60), 40, 7 + i) for i in range(20)]
    assert other.tokens == [expected(prompt_of(30, 1), 5, 1)]
    assert answer.usage == Usage(60, 800, 0)


def test_many_choices_do_not_keep_others_waiting() -> None:
    driver, model = make(max_running=8)
    many, _ = driver.submit(prompt_of(10), max_tokens=10, n=40, seed=1)
    driver.step()
    driver.step()
    others = [driver.submit(prompt_of(5, salt), max_tokens=5, seed=salt)[0] for salt in (1, 2, 3)]
    driver.finish()
    assert len(model.batches[1]) == 6
    assert [other.steps[0] for other in others] == [
        3,
        3,
        8,
    ]  # two places were free, then one more
    assert many.tokens == [expected(prompt_of(10), 10, 1 + i) for i in range(40)]


def test_choices_of_a_known_prompt() -> None:
    driver, _ = make()
    driver.submit(prompt_of(4 * PAGE + 1), max_tokens=1)
    driver.finish()
    answer, _ = driver.submit(prompt_of(4 * PAGE + 1), max_tokens=3, n=3, seed=7)
    driver.finish()
    assert answer.tokens == [expected(prompt_of(4 * PAGE + 1), 3, 7 + i) for i in range(3)]
    assert answer.usage == Usage(4 * PAGE + 1, 9, 4 * PAGE)


def test_choices_end_on_their_own() -> None:
    driver, _ = make(eos_logit=4.0)
    answer, _ = driver.submit(prompt_of(10), max_tokens=60, n=6, seed=1)
    driver.finish()
    model = FakeModel(eos_logit=4.0)
    alone = [reference(prompt_of(10), 60, seed=1 + i, model=model) for i in range(6)]
    assert answer.tokens == [[token for token in tokens if token != EOS] for tokens in alone]
    assert len({len(tokens) for tokens in alone}) > 1
    assert answer.usage == Usage(10, sum(map(len, alone)), 0)


# --- log-probabilities -----------------------------------------------------------------------------------------------


def test_logprobs_of_the_answer() -> None:
    driver, _ = make()
    answer, _ = driver.submit(prompt_of(10), max_tokens=5, temperature=0.0, logprobs=3)
    driver.submit(prompt_of(12), max_tokens=5)
    driver.submit(prompt_of(12), max_tokens=5, logprobs=7)
    driver.finish()
    for token, logprob in zip(answer.tokens[0], answer.logprobs[0], strict=True):
        assert logprob.token == token and len(logprob.top) == 3
        assert logprob.top[0][0] == token and logprob.top[0][2] == logprob.logprob < 0
        assert [value for _, _, value in logprob.top] == sorted((value for _, _, value in logprob.top), reverse=True)


def test_logprobs_without_alternatives() -> None:
    driver, _ = make()
    answer, _ = driver.submit(prompt_of(10), max_tokens=2, logprobs=0)
    driver.finish()
    assert all(logprob.top == () and logprob.logprob < 0 for logprob in answer.logprobs[0])


@pytest.mark.parametrize("n", [1, 3])
def test_prompt_logprobs_do_not_depend_on_chunks_or_reuse(n: int) -> None:
    driver, _ = make(chunk_tokens=64)
    whole, _ = driver.submit(prompt_of(45), max_tokens=0, prompt_logprobs=2)
    driver.finish()
    assert whole.usage == Usage(45, 0, 0) and whole.reasons == [FinishReason.LENGTH]
    assert whole.prompt_logprobs is not None
    assert [logprob.token for logprob in whole.prompt_logprobs] == prompt_of(45)[1:]

    driver, _ = make(chunk_tokens=7, busy_chunk_tokens=5, scored_chunk_tokens=3, max_running=4)
    driver.submit(prompt_of(45), max_tokens=3)
    driver.finish()
    cut, _ = driver.submit(prompt_of(45), max_tokens=3, prompt_logprobs=2, n=n, seed=1)
    driver.submit(prompt_of(30, 1), max_tokens=20)
    driver.finish()
    assert cut.prompt_logprobs == whole.prompt_logprobs
    assert cut.tokens == [expected(prompt_of(45), 3, 1 + i) for i in range(n)]


def test_prompt_logprobs_survive_a_preemption() -> None:
    driver, _ = make(pages=32, chunk_tokens=24, busy_chunk_tokens=24)
    answers = [driver.submit(prompt_of(20, s), max_tokens=100, seed=s)[0] for s in range(3)]
    scored, _ = driver.submit(prompt_of(60, 9), max_tokens=30, seed=9, prompt_logprobs=0)
    driver.finish()
    assert driver.stepper.stats().preemptions > 0
    assert scored.prompt_logprobs is not None
    assert [logprob.token for logprob in scored.prompt_logprobs] == prompt_of(60, 9)[1:]
    assert scored.tokens == [expected(prompt_of(60, 9), 30, 9)]
    for salt, answer in enumerate(answers):
        assert answer.tokens == [expected(prompt_of(20, salt), 100, salt)]


def test_scoring_a_prompt_of_one_token() -> None:
    driver, _ = make()
    answer, _ = driver.submit([5], max_tokens=0, prompt_logprobs=1)
    assert answer.done and answer.prompt_logprobs == () and answer.usage == Usage(1, 0, 0)
    driver.finish()


# --- ends ------------------------------------------------------------------------------------------------------------


def test_cancelling_frees_everything_in_any_state() -> None:
    driver, _ = make(pages=32, max_running=4, busy_chunk_tokens=16, chunk_tokens=16)
    decoding, decoding_group = driver.submit(prompt_of(10, 1), max_tokens=100, n=2)
    driver.step()
    driver.step()
    prefilling, prefilling_group = driver.submit(prompt_of(100, 2), max_tokens=10, n=3)
    driver.step()
    queued, queued_group = driver.submit(prompt_of(200, 3), max_tokens=10)
    driver.step()
    for answer, group in [(queued, queued_group), (prefilling, prefilling_group), (decoding, decoding_group)]:
        driver.cancel(group)
        driver.cancel(group)  # once is enough
        assert answer.done and FinishReason.ABORT in answer.reasons
        driver.stepper.check()
    assert queued.usage == Usage(200, 0, 0)
    assert decoding.usage is not None and decoding.usage.completion_tokens > 2
    assert not driver.stepper.busy


def test_a_failing_step_ends_the_running_requests_only() -> None:
    model = FakeModel(eos_logit=-50.0, fail_on={3})
    driver = Driver(Stepper(fake_backend(model=model), EngineOptions(max_running=2)))
    answers = [driver.submit(prompt_of(10, s), max_tokens=5, seed=s)[0] for s in range(3)]
    driver.finish()
    for answer in answers[:2]:
        assert answer.error is not None and answer.error.status == 500 and "no memory" in answer.error.message
    assert answers[2].tokens == [expected(prompt_of(10, 2), 5, 2)]
    assert driver.stepper.stats().failures == 1


def test_nobody_gets_pages_of_a_failed_step() -> None:
    model = FakeModel(eos_logit=-50.0, fail_on={1})
    driver = Driver(Stepper(fake_backend(model=model), EngineOptions()))
    failed, _ = driver.submit(prompt_of(50), max_tokens=5)
    driver.finish()
    again, _ = driver.submit(prompt_of(50), max_tokens=5, seed=1)
    driver.finish()
    assert failed.error is not None
    assert again.usage == Usage(50, 5, 0) and again.tokens == [expected(prompt_of(50), 5, 1)]


def test_stats_add_up() -> None:
    driver, model = make()
    for _ in range(2):
        driver.submit(prompt_of(20), max_tokens=3, n=2)
        driver.finish()
    stats = driver.stepper.stats()
    assert (stats.tokens_in, stats.tokens_cached, stats.tokens_out) == (40, 16, 12)
    assert (stats.queued, stats.waiting, stats.running, stats.pages_used) == (0, 0, 0, 0)
    assert stats.pages_total == 64 and stats.steps == model.calls
