"""Texts beyond the native length: what is reused, where it was cut, and what is lost must not change an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.driving import Answer, Driver
from spatz import _core
from spatz.context.areas import Area
from spatz.context.block import Block, DamagedBlock
from spatz.context.block_store import BlockStore
from spatz.context.far_memory import FarMemory, Reach
from spatz.engine.backend import Backend
from spatz.engine.options import EngineOptions
from spatz.engine.request import ContextMode, Request, SamplingParams
from spatz.engine.sequence import Group
from spatz.engine.stepper import Stepper
from spatz.errors import ContextLengthError, OverloadedError, RequestError
from spatz.weights.load import LoadedModel, load_model
from weights.tiny_models import VOCAB, hf_config, hf_tensors, write_folder

NATIVE, LIMIT = 2048, 20_000
LAYERS = 4
FAR_HEADS = [0, 3]  # of layers 0 and 1: two layers need not be run for most of a text
REACH = Reach(between_states=1024, most_near=1024)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Four layers: the two of the tiny llama, twice."""
    tensors = hf_tensors("llama")
    for name, value in list(tensors.items()):
        for layer in range(LAYERS):
            own = name.replace("layers.0.", f"layers.{layer}.")
            if own != name or "layers.0." in name:
                tensors[own] = np.roll(value, layer, axis=0) if own not in hf_tensors("llama") else value
    config = hf_config("llama") | {"num_hidden_layers": LAYERS, "max_position_embeddings": NATIVE}
    folder = write_folder(tmp_path_factory.mktemp("routed"), "llama", config=config, tensors=tensors)
    return load_model(folder, _core.Context(2))


@dataclass
class Setting:
    """A process: one store, one engine."""

    loaded: LoadedModel
    store: BlockStore
    driver: Driver
    far: FarMemory

    def ask(self, prompt: NDArray[np.int32], **params: Any) -> tuple[Answer, Group]:
        """Submit; `finish` runs it."""
        given = {"max_tokens": 12, "temperature": 0.0, "logprobs": 2, "ignore_eos": True} | params
        mode = given.pop("context", ContextMode.ROUTED)
        wanted = SamplingParams(**given)
        answer = Answer(wanted.n)
        areas = (Area(4, len(prompt) - 40, "document"), Area(len(prompt) - 36, len(prompt) - 4))
        request = Request(prompt, wanted, context=mode, areas=areas, owner="me")
        group = self.driver.stepper.prepare(request, answer)
        self.driver._hand_out(self.driver.stepper.submit(group))
        return answer, group

    def answer(self, prompt: NDArray[np.int32], **params: Any) -> Answer:
        answer, _ = self.ask(prompt, **params)
        self.driver.finish()
        if answer.error is not None:
            raise answer.error
        return answer


def setting(
    loaded: LoadedModel, store: BlockStore, *, pages: int = 96, reach: Reach = REACH, **options: Any
) -> Setting:
    cache = _core.KVCache(loaded.core, pages)
    far = FarMemory(
        cache=cache,
        move=partial(loaded.core.move, cache),
        heads=_core.FarHeads(loaded.core, FAR_HEADS),
        layers=LAYERS,
        store=store,
        vocab=VOCAB,
        fingerprint="tiny",
        reach=reach,
    )
    backend = Backend(
        forward=loaded.core.forward,
        cache=cache,
        sampler=_core.Sampler,
        decoder=loaded.tokenizer.stream_decoder,
        vocabulary=loaded.tokenizer,
        vocab=VOCAB,
        context_length=NATIVE,
        context_limit=LIMIT,
        page_tokens=_core.PAGE_TOKENS,
        fingerprint="tiny",
        far=far,
        eos_ids=loaded.eos_ids,
    )
    return Setting(loaded, store, Driver(Stepper(backend, EngineOptions(**options))), far)


@pytest.fixture
def store() -> Iterator[BlockStore]:
    made = BlockStore(None, limit_bytes=0, memory_bytes=256 << 20)
    yield made
    made.close()


@pytest.fixture
def here(tiny: LoadedModel, store: BlockStore) -> Setting:
    return setting(tiny, store)


def text(size: int, seed: int = 1) -> NDArray[np.int32]:
    """Words of few letters, so that the question finds some."""
    words = np.random.default_rng(seed).integers(3, 280, (50, 4), np.int32)
    picked = words[np.random.default_rng(seed + 1).integers(0, 50, size)]
    return np.ascontiguousarray(picked.reshape(-1)[:size])


def same(one: Answer, other: Answer) -> bool:
    return one.tokens == other.tokens and one.logprobs == other.logprobs


@pytest.fixture(scope="module")
def cold(tiny: LoadedModel) -> Answer:
    """What the text is answered by an engine that has nothing to reuse."""
    made = BlockStore(None, limit_bytes=0, memory_bytes=256 << 20)
    answer = setting(tiny, made).answer(text(6000))
    made.close()
    return answer


def test_a_second_question_is_answered_from_what_is_kept(here: Setting, cold: Answer) -> None:
    first, second = here.answer(text(6000)), here.answer(text(6000))
    assert same(first, cold) and same(second, cold)
    assert first.usage is not None and second.usage is not None
    assert first.usage.cached_tokens == 0
    assert second.usage.cached_tokens == 5888  # up to the page in which the question begins
    assert second.usage.prompt_tokens == 6000 and second.usage.context.mode is ContextMode.ROUTED


def test_the_answer_tells_what_was_looked_up(here: Setting) -> None:
    use = here.answer(text(6000)).usage.context  # type: ignore[union-attr]
    assert use.blocks >= len(use.spans) > 0
    ends = [at for span in use.spans for at in span]
    assert ends == sorted(ends) and ends[-1] <= 6000 and all(start < end for start, end in use.spans)


@pytest.mark.parametrize("chunk", [37, 128, 4096])
def test_it_does_not_matter_how_the_prompt_is_cut(
    tiny: LoadedModel, store: BlockStore, cold: Answer, chunk: int
) -> None:
    assert same(setting(tiny, store, chunk_tokens=chunk).answer(text(6000)), cold)


def test_nor_whether_all_layers_are_run(here: Setting, cold: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FarMemory, "top_reach", LIMIT)
    assert same(here.answer(text(6000)), cold)


def test_a_text_that_goes_on_is_run_from_its_end(here: Setting, tiny: LoadedModel) -> None:
    here.answer(text(6000))
    longer = np.concatenate([text(6000)[:5960], text(2500, 9)])
    warm = here.answer(longer)
    assert warm.usage is not None and warm.usage.cached_tokens == 5888
    made = BlockStore(None, limit_bytes=0, memory_bytes=256 << 20)
    assert same(warm, setting(tiny, made).answer(longer))
    made.close()


def test_a_text_that_parts_earlier_is_run_from_the_state_before(here: Setting, tiny: LoadedModel) -> None:
    here.answer(text(6000))
    other = text(6000).copy()
    other[5000:5960] = text(960, 9)
    warm = here.answer(other)
    assert warm.usage is not None and warm.usage.cached_tokens == 4096
    made = BlockStore(None, limit_bytes=0, memory_bytes=256 << 20)
    assert same(warm, setting(tiny, made).answer(other))
    made.close()


def test_it_is_found_again_after_a_restart(tiny: LoadedModel, tmp_path: Path, cold: Answer) -> None:
    for cached in (0, 5888):
        disk = BlockStore(tmp_path / "cache", limit_bytes=1 << 30, memory_bytes=0)
        answer = setting(tiny, disk).answer(text(6000))
        assert answer.usage is not None and answer.usage.cached_tokens == cached
        assert same(answer, cold)
        disk.close()


def test_other_far_heads_or_reaches_share_nothing(here: Setting, tiny: LoadedModel) -> None:
    here.answer(text(6000))
    answer = setting(tiny, here.store, reach=replace(REACH, passages=1)).answer(text(6000))
    assert answer.usage is not None and answer.usage.cached_tokens == 0


@pytest.mark.parametrize("damage", range(1, 60, 7))
def test_a_damaged_block_is_run_again(
    here: Setting, cold: Answer, monkeypatch: pytest.MonkeyPatch, damage: int
) -> None:
    here.answer(text(6000))
    read, calls = Block.read, 0

    def failing(block: Block) -> NDArray[np.uint8]:
        nonlocal calls
        calls += 1
        if calls == damage:
            here.far.blocks.drop(block.digest)
            here.far.states.drop(block.digest)
            raise DamagedBlock("made up")
        return read(block)

    monkeypatch.setattr(Block, "read", failing)
    for _ in range(3):
        assert same(here.answer(text(6000)), cold)
    here.driver.stepper.check()


def test_many_choices_run_the_prompt_once(here: Setting, cold: Answer) -> None:
    answer = here.answer(text(6000), n=3)
    assert [answer.tokens[i] for i in range(3)] == [cold.tokens[0]] * 3
    assert here.driver.stepper.stats().tokens_in == 6000


def test_a_long_answer_moves_its_window(here: Setting) -> None:
    answer = here.answer(text(3000), max_tokens=2500)
    assert len(answer.tokens[0]) == 2500
    assert here.driver.stepper.stats().pages_used == 0


def test_short_requests_run_beside_it(here: Setting) -> None:
    alone = here.answer(text(300, 5), context=ContextMode.AUTO)
    whole = here.answer(text(15_000))
    here.store.clear()
    long, group = here.ask(text(15_000))
    short, done = [], []
    for _ in range(6):
        here.driver.step()
        before = group.progress.done
        answer, _ = here.ask(text(300, 5), context=ContextMode.AUTO)
        while not answer.done:
            here.driver.step()
        short.append(answer)
        done.append(group.progress.done - before)
    here.driver.finish()
    assert all(answer.tokens == alone.tokens for answer in short)
    assert all(0 < advance < 2000 for advance in done)  # it is a guest, and does not stand still
    assert same(long, whole)


def test_leaving_gives_everything_back(here: Setting, cold: Answer) -> None:
    _, group = here.ask(text(6000))
    for _ in range(15):
        here.driver.step()
    assert 0 < group.progress.done < 6000 <= group.progress.total
    here.driver.cancel(group)
    here.driver.stepper.check()
    assert here.driver.stepper.stats().pages_used == 0
    assert here.store.clear() > 0 and here.far.blocks.entries == {}  # nothing is pinned
    assert same(here.answer(text(6000)), cold)


def test_when_pages_run_out_the_youngest_waits(tiny: LoadedModel, store: BlockStore, cold: Answer) -> None:
    tight = setting(tiny, store, pages=70)
    answers = [tight.ask(text(6000))[0], tight.ask(text(5000, 3))[0], tight.ask(text(6000))[0]]
    tight.driver.finish()
    assert same(answers[0], cold) and same(answers[2], cold)
    assert answers[1].error is None


def test_a_system_prompt_behind_the_sinks_is_seen(here: Setting) -> None:
    def planned(system: int) -> Any:
        areas = (Area(0, system, role="system"), Area(system + 4, 5960, "document"), Area(5964, 5996))
        request = Request(text(6000), SamplingParams(), context=ContextMode.ROUTED, areas=areas)
        return here.driver.stepper.prepare(request, None).planned.route

    assert planned(500).kept[0] == (0, 504)
    assert sum(end - start for start, end in planned(1000).kept) <= 1024


@pytest.mark.parametrize("again", [0, 2048])
def test_passages_that_are_said_again_are_not_seen_twice(tiny: LoadedModel, store: BlockStore, again: int) -> None:
    made = setting(tiny, store, reach=replace(REACH, again=again))
    _, group = made.ask(text(6000))
    plan = group.planned.route
    assert plan is not None and plan.passages and plan.said == bool(again)
    size = sum(end - start for start, end in plan.passages)
    assert (len(group.prompt) - 6000 >= size) == plan.said
    while not group.first_token:
        made.driver.step()
    routed = group.unfinished[0].routed
    assert routed is not None and routed.read == list(plan.passages)
    # One page of sinks, and what is brought near is brought near in whole pages.
    near = routed.far_pages - 1
    assert near == 0 if again else near * _core.PAGE_TOKENS >= size
    made.driver.cancel(group)


def test_what_cannot_be_kept_is_refused_and_the_others_go_on(tiny: LoadedModel) -> None:
    little = BlockStore(None, limit_bytes=0, memory_bytes=40 * 2 * 4608)
    made = setting(tiny, little)
    long, _ = made.ask(text(16_000))
    short, _ = made.ask(text(300, 5), context=ContextMode.AUTO)
    made.driver.finish()
    assert isinstance(long.error, OverloadedError) and long.error.status == 503
    assert short.error is None and short.usage is not None
    assert made.driver.stepper.stats().pages_used == 0
    little.close()


def test_scores_of_a_long_prompt(here: Setting) -> None:
    exact = here.answer(text(1500), context=ContextMode.EXACT, max_tokens=0, prompt_logprobs=0, logprobs=None)
    routed = here.answer(text(4000), max_tokens=0, prompt_logprobs=0, logprobs=None)
    assert exact.prompt_logprobs is not None and routed.prompt_logprobs is not None
    assert len(routed.prompt_logprobs) == 3999
    own = min(REACH.window + REACH.grid, 1499)  # as far as a window sees all of the text
    assert routed.prompt_logprobs[: own - 1] == exact.prompt_logprobs[: own - 1]
    assert all(np.isfinite(item.logprob) for item in routed.prompt_logprobs)


def test_which_mode_is_taken(here: Setting) -> None:
    def mode(size: int, context: ContextMode, **params: Any) -> ContextMode:
        planned = here.driver.stepper.prepare(Request(text(size), SamplingParams(**params), context=context), None)
        return planned.planned.mode

    assert mode(1000, ContextMode.AUTO) is ContextMode.EXACT
    assert mode(1000, ContextMode.AUTO, max_tokens=1048) is ContextMode.EXACT
    assert mode(1000, ContextMode.AUTO, max_tokens=1049) is ContextMode.ROUTED
    assert mode(NATIVE, ContextMode.AUTO) is ContextMode.ROUTED
    assert mode(1000, ContextMode.ROUTED) is ContextMode.ROUTED
    assert mode(9000, ContextMode.SKIM) is ContextMode.SKIM


@pytest.mark.parametrize(
    ("size", "context", "params"),
    [
        (NATIVE, ContextMode.EXACT, {}),
        (LIMIT, ContextMode.ROUTED, {}),
        (LIMIT - 10, ContextMode.AUTO, {"max_tokens": 11}),
        (LIMIT + 1, ContextMode.SKIM, {}),
    ],
)
def test_what_does_not_fit_is_refused(here: Setting, size: int, context: ContextMode, params: dict[str, Any]) -> None:
    with pytest.raises(ContextLengthError) as caught:
        here.ask(text(size), context=context, **{"max_tokens": None} | params)
    assert caught.value.code == "context_length_exceeded"


def test_scores_cannot_be_had_of_what_is_skimmed(here: Setting) -> None:
    with pytest.raises(RequestError) as caught:
        here.ask(text(9000), context=ContextMode.SKIM, prompt_logprobs=0)
    assert caught.value.param == "spatz.context"
