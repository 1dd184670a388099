"""The engine over the compiled core and the embedded model: what the fake can only promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from engine.driving import Answer, DictTier, Driver
from spatz.engine.backend import Backend
from spatz.engine.engine import Engine
from spatz.engine.options import EngineOptions
from spatz.engine.request import Delta, FinishReason, Request, SamplingParams
from spatz.engine.stepper import Stepper

if TYPE_CHECKING:
    from spatz.weights.load import LoadedModel

TEXT = (
    "The sparrow is a small bird that lives close to people. It eats seeds, crumbs and insects, nests under roofs, and "
    "is seldom alone. In the city it has learned to open the doors of shops and to wait for guests who leave. "
)


def backend_of(loaded: LoadedModel, *, pages: int = 96, context: int = 1024) -> Backend:
    from spatz import _core

    return Backend(
        forward=loaded.core.forward,
        cache=_core.KVCache(loaded.core, pages),
        sampler=_core.Sampler,
        decoder=loaded.tokenizer.stream_decoder,
        vocabulary=loaded.tokenizer,
        vocab=loaded.tokenizer.vocab_size,
        context_length=context,
        page_tokens=_core.PAGE_TOKENS,
        fingerprint=loaded.card.fingerprint,
        eos_ids=loaded.eos_ids,
    )


def driver_of(loaded: LoadedModel, *, pages: int = 96, context: int = 1024, **options: Any) -> Driver:
    return Driver(Stepper(backend_of(loaded, pages=pages, context=context), EngineOptions(**options)))


def prompt_of(loaded: LoadedModel, size: int, skip: int = 0) -> list[int]:
    return (loaded.tokenizer.encode(TEXT) * 40)[skip : skip + size]


SAMPLED: dict[str, Any] = {"temperature": 1.0, "seed": 11, "max_tokens": 40, "logprobs": 2, "ignore_eos": True}


def same(answer: Answer, other: Answer) -> bool:
    return (answer.tokens, answer.texts, answer.logprobs) == (other.tokens, other.texts, other.logprobs)


@pytest.fixture(scope="module")
def alone(loaded: LoadedModel) -> Answer:
    """A prompt of 300 tokens, sampled at temperature 1, in an engine of its own and in one chunk."""
    driver = driver_of(loaded)
    answer, _ = driver.submit(prompt_of(loaded, 300), **SAMPLED)
    driver.finish()
    assert len(answer.tokens[0]) == 40
    return answer


def test_the_model_knows_its_capitals(loaded: LoadedModel) -> None:
    driver = driver_of(loaded)
    answer, _ = driver.submit(loaded.tokenizer.encode("The capital of France is"), temperature=0.0, max_tokens=4)
    driver.finish()
    assert "Paris" in answer.texts[0]


def test_the_same_answer_in_a_batch_of_16(loaded: LoadedModel, alone: Answer) -> None:
    driver = driver_of(loaded)
    others = [
        driver.submit(prompt_of(loaded, 20 + 9 * i, skip=i), max_tokens=5 + 3 * i, seed=i, temperature=1.2)[0]
        for i in range(15)
    ]
    for _ in range(3):
        driver.step()
    answer, _ = driver.submit(prompt_of(loaded, 300), **SAMPLED)
    driver.finish()
    assert same(answer, alone) and all(other.usage is not None for other in others)


@pytest.mark.parametrize("chunk", [1, 37, 128])
def test_the_same_answer_in_chunks(loaded: LoadedModel, alone: Answer, chunk: int) -> None:
    driver = driver_of(loaded, chunk_tokens=chunk, busy_chunk_tokens=chunk)
    answer, _ = driver.submit(prompt_of(loaded, 300), **SAMPLED)
    driver.finish()
    assert same(answer, alone)


def test_the_same_answer_with_a_known_prefix(loaded: LoadedModel, alone: Answer) -> None:
    driver = driver_of(loaded)
    driver.submit([*prompt_of(loaded, 290), 5, 6, 7], max_tokens=1)
    driver.finish()
    answer, _ = driver.submit(prompt_of(loaded, 300), **SAMPLED)
    driver.finish()
    assert answer.usage is not None and answer.usage.cached_tokens == 256
    assert same(answer, alone)


@pytest.mark.parametrize("reuse", [True, False])
def test_the_same_answer_after_a_preemption(loaded: LoadedModel, alone: Answer, reuse: bool) -> None:
    """Eight pages: an older request of four pages grows to six and takes those of the younger one, which has three."""
    driver = driver_of(loaded, pages=8, context=1024, prefix_reuse=reuse)
    driver.submit(prompt_of(loaded, 500, skip=3), max_tokens=250, ignore_eos=True, temperature=0.0)
    driver.step()
    answer, _ = driver.submit(prompt_of(loaded, 300), **SAMPLED)
    late, _ = driver.submit(prompt_of(loaded, 100, skip=9), max_tokens=200, ignore_eos=True, seed=1)
    again, _ = driver.submit(prompt_of(loaded, 300), **SAMPLED)
    driver.finish()
    assert driver.stepper.stats().preemptions > 0
    assert same(answer, alone) and same(again, alone) and late.usage is not None


def test_the_same_answer_from_pages_that_were_kept_elsewhere(loaded: LoadedModel, alone: Answer) -> None:
    tier = DictTier()
    for cached in (0, 256):
        driver = Driver(Stepper(backend_of(loaded), EngineOptions(), tiers=[tier]))
        answer, _ = driver.submit(prompt_of(loaded, 300), **SAMPLED)
        driver.finish()
        assert answer.usage is not None and answer.usage.cached_tokens == cached
        assert same(answer, alone)


def test_choices_are_what_requests_of_their_own_would_get(loaded: LoadedModel) -> None:
    driver = driver_of(loaded)
    prompt = prompt_of(loaded, 150)
    answer, _ = driver.submit(prompt, n=4, seed=20, max_tokens=20)
    driver.finish()
    for index in range(4):
        single, _ = driver.submit(prompt, seed=20 + index, max_tokens=20)
        driver.finish()
        assert (single.texts, single.tokens) == ([answer.texts[index]], [answer.tokens[index]])
    assert len(set(answer.texts)) > 1


def test_scoring_a_text_gives_what_writing_it_gave(loaded: LoadedModel) -> None:
    driver = driver_of(loaded)
    prompt = prompt_of(loaded, 200)
    written, _ = driver.submit(prompt, temperature=0.0, max_tokens=30, logprobs=3, ignore_eos=True)
    driver.finish()
    scored, _ = driver.submit([*prompt, *written.tokens[0]], max_tokens=0, prompt_logprobs=3)
    driver.finish()
    assert scored.prompt_logprobs is not None and len(scored.prompt_logprobs) == 229
    assert list(scored.prompt_logprobs[199:]) == written.logprobs[0]


def test_a_stop_string_in_real_text(loaded: LoadedModel) -> None:
    driver = driver_of(loaded)
    prompt = prompt_of(loaded, 100)
    whole, _ = driver.submit(prompt, temperature=0.0, max_tokens=60, ignore_eos=True)
    driver.finish()
    text = whole.texts[0]
    stop = text[40:47]
    cut, _ = driver.submit(prompt, temperature=0.0, max_tokens=60, ignore_eos=True, stop=[stop], logprobs=0)
    driver.finish()
    assert cut.texts[0] == text[: text.index(stop)] and cut.reasons == [FinishReason.STOP]
    data = b"".join(logprob.data for logprob in cut.logprobs[0])
    assert data.decode().startswith(cut.texts[0])


def test_parameters_reach_the_core(loaded: LoadedModel) -> None:
    driver = driver_of(loaded)
    prompt = prompt_of(loaded, 30)
    token = loaded.tokenizer.encode(" sparrow")[0]
    forced, _ = driver.submit(prompt, max_tokens=5, logit_bias={token: 100.0}, ignore_eos=True)
    plain, _ = driver.submit(prompt, max_tokens=40, temperature=0.0, ignore_eos=True)
    varied, _ = driver.submit(prompt, max_tokens=40, temperature=0.0, ignore_eos=True, repetition_penalty=1.5)
    narrow, _ = driver.submit(prompt, max_tokens=40, temperature=2.0, top_k=1, ignore_eos=True)
    extreme, _ = driver.submit(
        prompt, max_tokens=3, seed=-(2**63), top_k=10**9, min_p=1.0, top_p=0.0, presence_penalty=2, frequency_penalty=-2
    )
    driver.finish()
    assert forced.tokens == [[token] * 5]
    assert narrow.tokens == plain.tokens != varied.tokens
    assert extreme.usage is not None


async def test_many_streams_at_once_with_some_that_leave(loaded: LoadedModel) -> None:
    engine = Engine(backend_of(loaded, pages=24, context=1024), EngineOptions(max_running=8))
    engine.start()

    async def read(deltas: AsyncIterator[Delta], most: int) -> str:
        text = ""
        async for delta in deltas:
            text += delta.text
            most -= 1
            if most == 0:
                break
        return text

    def generate(i: int) -> AsyncIterator[Delta]:
        return engine.generate(
            Request(prompt_of(loaded, 150 + 40 * i, skip=i % 3), SamplingParams(max_tokens=30, seed=i, ignore_eos=True))
        )

    try:
        texts = await asyncio.gather(*(read(generate(i), 5 if i % 4 == 3 else 1000) for i in range(12)))
        repeated = await read(generate(4), 1000)
        assert texts[4] == repeated and all(texts)
        assert await engine.drain(300.0)
        engine.check()
        assert engine.stats().pages_used == 0
    finally:
        await asyncio.to_thread(engine.stop)
