"""Random requests, cancellations and failures in tiny pools of pages: nothing leaks, every answer is right."""

from __future__ import annotations

import random

import pytest

from engine.driving import Answer, Driver
from engine.fake_core import EOS, FakeModel, fake_backend, reference
from engine.fake_grammar import FakeGrammar, walk
from spatz.engine.guide import MaskThread
from spatz.engine.options import EngineOptions
from spatz.engine.request import FinishReason, Priority
from spatz.engine.sequence import Group
from spatz.engine.stepper import Stepper

_alone: dict[tuple[tuple[int, ...], int, int, float], list[int]] = {}


def alone(prompt: list[int], count: int, seed: int, repetition: float) -> list[int]:
    key = (tuple(prompt), count, seed, repetition)
    if key not in _alone:
        model = FakeModel(eos_logit=2.0)
        _alone[key] = reference(prompt, count, seed=seed, model=model, repetition_penalty=repetition)
    return _alone[key]


def guided(prompt: list[int], count: int, seed: int, repetition: float, grammar: tuple[int, int | None]) -> list[int]:
    return walk(prompt, count, FakeGrammar(*grammar), seed=seed, repetition_penalty=repetition)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_the_answers_are_right_and_nothing_leaks(seed: int) -> None:
    rng = random.Random(seed)
    page_tokens = rng.choice([2, 4, 8])
    context = rng.choice([40, 64, 90])
    pages = -(-context // page_tokens) + rng.choice([0, 1, 3, 20])
    model = FakeModel(eos_logit=2.0)
    if seed % 5 == 0:
        model.fail_on = set(rng.sample(range(20, 400), 3))
    backend = fake_backend(pages=pages, page_tokens=page_tokens, context_length=context, model=model)
    options = EngineOptions(
        max_running=rng.choice([1, 2, 5, 12]),
        chunk_tokens=rng.choice([1, 5, 16, 64]),
        busy_chunk_tokens=rng.choice([1, 5, 16, 64]),
        scored_chunk_tokens=rng.choice([1, 4, 128]),
        prefix_reuse=seed % 4 != 3,
        background_running=rng.choice([1, 2, 8]),
    )
    masks = MaskThread() if seed % 2 else None
    if masks is not None:
        masks.start()
    driver = Driver(Stepper(backend, options, aside=masks))
    bases = [[rng.randrange(256) for _ in range(context)] for _ in range(3)]
    live: list[tuple[Answer, Group]] = []
    everything: list[tuple[Answer, Group]] = []
    grammars: dict[Group, tuple[int, int | None]] = {}

    def submit() -> None:
        size = rng.randrange(1, context)
        prompt = rng.choice(bases)[:size]
        if rng.random() < 0.5:
            prompt[rng.randrange(size)] = rng.randrange(256)
        room = context - size
        grammar = (rng.randrange(6), rng.choice([None, 4, 20])) if rng.random() < 0.4 else None
        pair = driver.submit(
            prompt,
            constraint=None if grammar is None else lambda: FakeGrammar(*grammar),
            priority=rng.choice([Priority.LIVE, Priority.LIVE, Priority.BACKGROUND]),
            n=rng.choice([1, 1, 1, 2, 5]),
            max_tokens=rng.choice([None, rng.randint(1, room)]),
            seed=rng.randrange(4),
            repetition_penalty=rng.choice([1.0, 1.0, 1.5]),
            stop=rng.choice([(), (), ("a", "xy")]),
            prompt_logprobs=rng.choice([None, None, None, 0, 2]),
            logprobs=rng.choice([None, None, 1]),
        )
        live.append(pair)
        everything.append(pair)
        if grammar is not None:
            grammars[pair[1]] = grammar

    for _ in range(120):
        if rng.random() < 0.25:
            submit()
        if live and rng.random() < 0.04:
            driver.cancel(live.pop(rng.randrange(len(live)))[1])
        driver.step()
        live = [(answer, group) for answer, group in live if not answer.done]
    driver.finish()
    if masks is not None:
        masks.stop()

    complete = 0
    for answer, group in everything:
        assert answer.done
        if answer.error is not None:
            assert answer.error.status == 500 and model.fail_on
            continue
        if group.params.prompt_logprobs is not None and FinishReason.ABORT not in answer.reasons:
            assert answer.prompt_logprobs is not None
            assert [logprob.token for logprob in answer.prompt_logprobs] == group.prompt[1:].tolist()
        for index in range(group.params.n):
            asked = group.prompt.tolist(), group.max_new, group.seed + index, group.params.repetition_penalty
            right = guided(*asked, grammars[group]) if group in grammars else alone(*asked)
            right = [token for token in right if token != EOS]
            said = answer.tokens[index]
            assert said == right[: len(said)]
            if answer.reasons[index] is FinishReason.LENGTH or (
                answer.reasons[index] is FinishReason.STOP and not group.params.stop
            ):
                assert said == right
                complete += 1
    assert complete > 5
    assert driver.stepper.stats().pages_used == 0
