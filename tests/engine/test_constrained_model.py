"""Schemas and grammars over the compiled core and the embedded model, at temperature 1: every answer is valid."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from engine.driving import Answer, Driver
from engine.test_real_model import backend_of
from spatz.engine.engine import Engine
from spatz.engine.guide import MaskThread
from spatz.engine.options import EngineOptions
from spatz.engine.request import Constraint, FinishReason, Priority, Request, SamplingParams
from spatz.engine.stepper import Stepper
from spatz.prompt.grammar import Grammars
from spatz.prompt.turn import GrammarFormat, JsonFormat, OutputFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spatz.weights.load import LoadedModel

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "founded": {"type": "integer", "minimum": -800, "maximum": 2000},
        "kind": {"enum": ["city", "town", "village"]},
        "rivers": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 3},
        "mayor": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/person"}]},
    },
    "required": ["name", "founded", "kind", "rivers", "mayor"],
    "additionalProperties": False,
    "$defs": {
        "person": {
            "type": "object",
            "properties": {"name": {"type": "string", "maxLength": 30}, "age": {"type": "number", "minimum": 0}},
            "required": ["name"],
            "additionalProperties": False,
        }
    },
}
DATE = GrammarFormat("regex", r"\d{4}-(0[1-9]|1[0-2])-([0-2]\d|3[01])")
MOVES = GrammarFormat(
    "lark",
    'start: move (", " move){2,4} "."\nmove: DIRECTION " " NUMBER\n'
    + r"""
DIRECTION: "left" | "right" | "up" | "down"
NUMBER: /[1-9][0-9]?/
""",
)


@pytest.fixture(scope="module")
def grammars(loaded: LoadedModel) -> Grammars:
    return Grammars(loaded.tokenizer, loaded.eos_ids, loaded.vocab)


@pytest.fixture
def driver(loaded: LoadedModel) -> Iterator[Driver]:
    masks = MaskThread()
    masks.start()
    yield Driver(Stepper(backend_of(loaded), EngineOptions(), aside=masks))
    masks.stop()


def ask(driver: Driver, loaded: LoadedModel, make: Callable[[], Constraint], seed: int, **params: Any) -> Answer:
    prompt = loaded.tokenizer.encode("Tell me about a city on a river, in the form that was agreed on.\n")
    params = {"temperature": 1.0, "seed": seed, "max_tokens": 300, **params}
    return driver.submit(prompt, constraint=make, **params)[0]


def check_city(text: str) -> None:
    jsonschema.validate(json.loads(text), CITY)
    assert list(json.loads(text)) == CITY["required"]  # keys in the schema's order
    assert text.startswith('{"name": "') and '", "founded": ' in text and "\n" not in text


def check_object(text: str) -> None:
    assert isinstance(json.loads(text), dict)


def check_date(text: str) -> None:
    assert re.fullmatch(DATE.definition, text)


def check_moves(text: str) -> None:
    assert re.fullmatch(r"((left|right|up|down) [1-9]\d?(, |\.$)){3,5}", text)


FORMATS: dict[str, tuple[OutputFormat, Callable[[str], None]]] = {
    "schema": (JsonFormat(CITY), check_city),
    "object": (JsonFormat(), check_object),
    "regex": (DATE, check_date),
    "lark": (MOVES, check_moves),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_what_ends_is_valid(driver: Driver, loaded: LoadedModel, grammars: Grammars, kind: str) -> None:
    wanted, check = FORMATS[kind]
    make = grammars.compile_now(wanted)
    answers = [ask(driver, loaded, make, seed) for seed in range(12)]
    driver.finish()
    ended = [answer for answer in answers if answer.reasons == [FinishReason.STOP]]
    for answer in ended:
        check(answer.texts[0])
    assert len({answer.texts[0] for answer in answers}) > 1
    assert len(ended) >= (3 if kind == "object" else 12)  # a tiny model may talk on in the strings of a free object


def test_the_same_answer_alone_in_a_batch_and_with_logprobs(
    driver: Driver, loaded: LoadedModel, grammars: Grammars
) -> None:
    makers = [grammars.compile_now(wanted) for wanted, _ in FORMATS.values()]
    together = [ask(driver, loaded, make, seed, max_tokens=60) for make in makers for seed in range(3)]
    driver.finish()
    alone = []
    for make in makers:
        for seed in range(3):
            alone.append(ask(driver, loaded, make, seed, max_tokens=60, logprobs=1 if seed else None))
            driver.finish()
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
    assert [answer.texts for answer in together] == [answer.texts for answer in alone]
    for answer in alone:
        if answer.logprobs[0]:
            assert [logprob.token for logprob in answer.logprobs[0]] == answer.tokens[0]
            assert all(logprob.logprob > -60 for logprob in answer.logprobs[0])


def test_forced_tokens_take_no_steps_of_their_own(driver: Driver, loaded: LoadedModel, grammars: Grammars) -> None:
    fixed = {"const": {"title": "The same for everybody", "pages": [1, 2, 3], "draft": False}}
    answer = ask(driver, loaded, grammars.compile_now(JsonFormat(fixed)), 1)
    driver.finish()
    assert json.loads(answer.texts[0]) == fixed["const"] and answer.reasons == [FinishReason.STOP]
    assert answer.usage is not None and answer.usage.completion_tokens > 20
    assert driver.stepper.stats().steps < 8


def test_control_tokens_are_no_text(driver: Driver, loaded: LoadedModel, grammars: Grammars) -> None:
    """Not even where a client's grammar names them, and whatever the model would rather say."""
    special = loaded.tokenizer.special_tokens
    bias = dict.fromkeys(special.values(), 100.0)
    text = ask(driver, loaded, grammars.compile_now(GrammarFormat("lark", 'start: /[^x]/{20} "x"')), 1, logit_bias=bias)
    named = ask(driver, loaded, grammars.compile_now(GrammarFormat("lark", "start: <|im_start|>")), 1)
    driver.finish()
    assert text.reasons == [FinishReason.STOP] and len(text.texts[0]) == 21
    assert not set(text.tokens[0]) & set(special.values())
    assert named.error is not None and named.error.status == 400


@pytest.mark.parametrize("end", [0, 2])
def test_every_end_token_ends_it_where_the_grammar_may_end(
    driver: Driver, loaded: LoadedModel, grammars: Grammars, end: int
) -> None:
    assert end in loaded.eos_ids
    make = grammars.compile_now(GrammarFormat("regex", "[a-z]{3}[a-z]*"))
    answer = ask(driver, loaded, make, 1, logit_bias={end: 100.0})
    driver.finish()
    assert answer.reasons == [FinishReason.STOP] and re.fullmatch("[a-z]{3,}", answer.texts[0])


async def test_many_constrained_streams_with_some_that_leave(loaded: LoadedModel, grammars: Grammars) -> None:
    """Live and background, constrained and not, few pages, masks in the engine's own thread."""
    makers = [None, *(await asyncio.gather(*(grammars.compile(wanted) for wanted, _ in FORMATS.values())))]
    checks = [lambda text: None, *(check for _, check in FORMATS.values())]
    prompt = loaded.tokenizer.encode("Tell me about a city on a river.\n")
    engine = Engine(backend_of(loaded, pages=12, context=1024), EngineOptions(max_running=12))
    engine.start()

    async def read(number: int) -> tuple[str, FinishReason | None]:
        text, left = "", 5 if number % 6 == 5 else 1000
        params = SamplingParams(seed=number, max_tokens=120, n=1 + number % 2, frequency_penalty=0.3)
        priority = Priority.BACKGROUND if number % 3 == 0 else Priority.LIVE
        request = Request(prompt, params, constraint=makers[number % 5], priority=priority)
        async for delta in engine.generate(request):
            left -= 1
            if delta.index == 0:
                text += delta.text
                if delta.finish_reason is not None:
                    reason = delta.finish_reason
            if left == 0:
                return text, None
        return text, reason

    try:
        answers = await asyncio.gather(*(read(number) for number in range(30)))
        again = await asyncio.gather(*(read(number) for number in (1, 2, 3, 9)))
        assert [answers[number] for number in (1, 2, 3, 9)] == again
        for number, (text, reason) in enumerate(answers):
            if reason is FinishReason.STOP:
                checks[number % 5](text)
        assert sum(reason is FinishReason.STOP for _, reason in answers) > 8
        assert await engine.drain(300.0)
        engine.check()
        assert engine.stats().pages_used == 0 and engine.stats().failures == 0
    finally:
        await asyncio.to_thread(engine.stop)
