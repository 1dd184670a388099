"""Formats to constraints: what is allowed, what is refused and why, and what must not take the server down."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from spatz.errors import RequestError
from spatz.prompt import grammar
from spatz.prompt.grammar import MAX_GRAMMAR_BYTES, Grammars, json_rule
from spatz.prompt.schema_bounds import MAX_SCHEMA_BYTES
from spatz.prompt.turn import GrammarFormat, JsonFormat, OutputFormat
from spatz.weights.gguf import GGUFFile
from spatz.weights.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from spatz.engine.request import Constraint

PADDED = 40  # rows of logits past the tokenizer's


@pytest.fixture(scope="module")
def tokenizer(model_path: Path) -> Tokenizer:
    """The embedded model's: its tokens are words and pieces of JSON."""
    file = GGUFFile(model_path)
    try:
        return Tokenizer.from_gguf(file.metadata)
    finally:
        file.close()


@pytest.fixture(scope="module")
def grammars(tokenizer: Tokenizer) -> Grammars:
    assert tokenizer.eos_id is not None
    return Grammars(tokenizer, frozenset({0, tokenizer.eos_id}), tokenizer.vocab_size + PADDED)


class Walker:
    """Says a text token by token and checks that each token was allowed."""

    def __init__(self, constraint: Constraint, tokenizer: Tokenizer) -> None:
        self.constraint = constraint
        self.tokenizer = tokenizer
        self.mask = np.zeros(-(-(tokenizer.vocab_size + PADDED) // 32), np.uint32)

    def allowed(self) -> set[int]:
        self.mask[:] = 0xFFFFFFFF
        self.constraint.mask(self.mask)
        return set(np.flatnonzero(np.unpackbits(self.mask.view(np.uint8), bitorder="little")).tolist())

    def say(self, text: str) -> bool:
        """False: a token of it was not allowed."""
        data = text.encode()
        while data:
            allowed = {token: self.tokenizer.token_bytes(token) for token in self.allowed()}
            fitting = [token for token, own in allowed.items() if own and data.startswith(own) and token > 16]
            if not fitting:
                return False
            token = max(fitting, key=lambda token: len(allowed[token]))
            self.constraint.accept([token])
            data = data[len(allowed[token]) :]
        return True


def walker(grammars: Grammars, tokenizer: Tokenizer, wanted: OutputFormat) -> Walker:
    return Walker(grammars.compile_now(wanted)(), tokenizer)


def says(grammars: Grammars, tokenizer: Tokenizer, wanted: OutputFormat, text: str) -> bool:
    """Whether it is a complete answer."""
    one = walker(grammars, tokenizer, wanted)
    return one.say(text) and bool(one.allowed() & {0, 2})


def refusal(grammars: Grammars, wanted: OutputFormat, param: str = "response_format") -> str:
    with pytest.raises(RequestError) as caught:
        grammars.compile_now(wanted, param=param)
    error = caught.value
    assert error.status == 400 and error.param == param and error.code and "\n" not in error.message
    assert len(error.message) < 700
    return error.message


PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"zebra": {"type": "string"}, "age": {"type": "integer"}, "tags": {"type": "array"}},
    "required": ["zebra", "age"],
    "additionalProperties": False,
}


def test_json_is_written_as_json_dumps_writes_it_with_keys_in_the_schemas_order(
    grammars: Grammars, tokenizer: Tokenizer
) -> None:
    wanted = JsonFormat(PERSON)
    assert says(grammars, tokenizer, wanted, json.dumps({"zebra": 'q"\n', "age": 3, "tags": [1, {"a": None}, []]}))
    assert says(grammars, tokenizer, wanted, '{"zebra": "ä€🐦", "age": -10}')
    for wrong in ('{"age": 3, "zebra": ""}', '{"zebra":"", "age": 3}', '{ "zebra": "", "age": 3}', "[]"):
        assert not says(grammars, tokenizer, wanted, wrong)
    assert not says(grammars, tokenizer, wanted, '{"zebra": ""}')


def test_without_a_schema_it_is_any_object(grammars: Grammars, tokenizer: Tokenizer) -> None:
    assert says(grammars, tokenizer, JsonFormat(), '{"a": [1.5e3, true, {"b": null}]}')
    assert not says(grammars, tokenizer, JsonFormat(), "[1]")


def test_a_clients_own_settings_of_the_library_are_not_taken(grammars: Grammars) -> None:
    assert "x-guidance" in refusal(grammars, JsonFormat({**PERSON, "x-guidance": {"whitespace_flexible": True}}))
    assert "not" in refusal(grammars, JsonFormat({"not": {"type": "string"}, "x-guidance": {"lenient": True}}))


def test_regular_expressions_are_the_whole_answer(grammars: Grammars, tokenizer: Tokenizer) -> None:
    wanted = GrammarFormat("regex", r"https?://[a-z]+(/\d{1,3})*")
    assert says(grammars, tokenizer, wanted, "http://ab/12/3")
    assert not says(grammars, tokenizer, wanted, "see http://ab")
    assert not says(grammars, tokenizer, wanted, "http://")


def test_lark_grammars(grammars: Grammars, tokenizer: Tokenizer) -> None:
    sums = 'start: term ("+" term)*\nterm: NUMBER | "(" start ")"\nNUMBER: /[0-9]+/\n'
    assert says(grammars, tokenizer, GrammarFormat("lark", sums), "(1+22)+3")
    assert not says(grammars, tokenizer, GrammarFormat("lark", sums), "(1+22)+")


def test_our_own_grammars_have_parts_and_schemas_and_control_tokens(grammars: Grammars, tokenizer: Tokenizer) -> None:
    lark = 'start: <|im_start|> (call | "say " @words)\ncall: "{\\"arguments\\": " arguments "}"\n'
    make = grammars.compile_lark_now(lark + "arguments: " + json_rule(PERSON), {"words": GrammarFormat("regex", "a+b")})
    for text, complete in (("say aab", True), ('{"arguments": {"zebra": "}", "age": 1}}', True), ("say ba", False)):
        one = Walker(make(), tokenizer)
        assert one.allowed() == {1}
        one.constraint.accept([1])
        assert one.say(text) is complete


def test_a_part_that_a_client_wrote_may_name_no_control_token(grammars: Grammars, tokenizer: Tokenizer) -> None:
    words = GrammarFormat("lark", 'start: <|im_start|> | "b"')
    one = Walker(grammars.compile_lark_now('start: "a" @words', {"words": words})(), tokenizer)
    assert one.say("a")
    assert one.allowed() and not one.allowed() & set(tokenizer.special_tokens.values())


def test_what_may_be_said_holds_no_control_token_and_no_padding(grammars: Grammars, tokenizer: Tokenizer) -> None:
    free = walker(grammars, tokenizer, GrammarFormat("regex", "(?s:.*)"))
    allowed = free.allowed()
    assert len(allowed) > 40_000 and max(allowed) < tokenizer.vocab_size
    assert allowed & set(tokenizer.special_tokens.values()) == {0, 2}  # it may end here
    started = walker(grammars, tokenizer, JsonFormat(PERSON))
    assert started.say('{"zebra": "a')
    assert not started.allowed() & set(tokenizer.special_tokens.values())
    assert started.say('", "age": 1}')
    assert started.allowed() == {0, 2} and set(started.constraint.forced()) <= {0, 2}


def test_a_clients_grammar_that_names_a_control_token_cannot_go_on(grammars: Grammars, tokenizer: Tokenizer) -> None:
    one = walker(grammars, tokenizer, GrammarFormat("lark", 'start: "a" <|im_start|> "b"'))
    assert one.say("a")
    with pytest.raises(RequestError, match="no token"):
        one.allowed()


def test_forced_tokens_are_as_the_tokenizer_cuts_the_text(grammars: Grammars, tokenizer: Tokenizer) -> None:
    wanted = JsonFormat({"const": {"message": "hello there", "count": 12}})
    constraint = grammars.compile_now(wanted)()
    said: list[int] = []
    mask = np.zeros(-(-(tokenizer.vocab_size + PADDED) // 32), np.uint32)
    while not (forced := list(constraint.forced())) or forced[0] not in (0, 2):
        if not forced:
            constraint.mask(mask)
            forced = [int(np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))[-1])]
        constraint.accept(forced)
        said += forced
    text = '{"message": "hello there", "count": 12}'
    assert tokenizer.decode(said) == text
    assert abs(len(said) - len(tokenizer.encode(text))) <= 1


def test_constraints_of_one_format_do_not_know_of_each_other(grammars: Grammars, tokenizer: Tokenizer) -> None:
    make = grammars.compile_now(GrammarFormat("regex", "(ab)+"))
    first, second = (Walker(make(), tokenizer) for _ in range(2))
    assert first.say("aba") and second.say("abab")
    with pytest.raises(RequestError, match="cannot be followed"):
        first.constraint.accept(tokenizer.encode("z"))
    assert second.say("ab") and Walker(make(), tokenizer).say("ab")


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (JsonFormat({"type": "frob"}), "frob"),
        (JsonFormat({"not": {}}), "not"),
        (JsonFormat({"type": "string", "pattern": "("}), "regex"),
        (JsonFormat({"type": "string", "format": "no-such"}), "no-such"),
        (JsonFormat({"$ref": "http://example.com/schema"}), "example.com"),
        (JsonFormat({"enum": []}), "enum"),
        (JsonFormat({"type": "object", "properties": {"a": False}, "required": ["a"]}), "nsatisfiable"),
        (JsonFormat({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}), ""),
        (JsonFormat({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}), ""),
        (JsonFormat({"minimum": float("nan")}), ""),
        (JsonFormat({"const": "\ud800"}), ""),
        (GrammarFormat("regex", "(a"), "unclosed"),
        (GrammarFormat("regex", "(?=a)b"), "look-around"),
        (GrammarFormat("lark", "start: ("), "Expected"),
        (GrammarFormat("lark", 'begin: "a"'), "start"),
        (GrammarFormat("lark", "start: missing"), "missing"),
        (GrammarFormat("lark", "start: @other"), "other"),
        (GrammarFormat("regex", "a" * (MAX_GRAMMAR_BYTES + 1)), "bytes"),
        (JsonFormat({"description": "a" * MAX_SCHEMA_BYTES}), "characters"),
    ],
)
def test_refusals_tell_the_reason(grammars: Grammars, wanted: OutputFormat, reason: str) -> None:
    assert reason in refusal(grammars, wanted)
    assert refusal(grammars, wanted, param="text.format")


def nested(depth: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def chain(length: int, link: str) -> dict[str, Any]:
    links = {f"d{i}": {link: {"$ref": f"#/$defs/d{i + 1}"}} for i in range(length)}
    if link == "$ref":
        links = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**links, f"d{length}": {"type": "string"}}}


BOMBS: dict[str, OutputFormat] = {
    "deep": JsonFormat(nested(20_000)),
    "many names": JsonFormat({"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(5_000)}}),
    "large enum": JsonFormat({"enum": [f"value {i}" for i in range(20_000)]}),
    "multiples": JsonFormat({"allOf": [{"type": "integer", "multipleOf": 9973}, {"multipleOf": 9967}]}),
    "a huge multiple": JsonFormat({"type": "integer", "multipleOf": 10**400}),
    "products": JsonFormat(
        {
            "allOf": [
                {
                    "anyOf": [
                        {"properties": {f"k{i}{j}": {"type": "string"}}, "required": [f"k{i}{j}"]} for j in range(6)
                    ]
                }
                for i in range(8)
            ]
        }
    ),
    "rules that double": GrammarFormat(
        "lark", "start: R0\n" + "".join(f"R{i}: R{i + 1} R{i + 1}\n" for i in range(40)) + 'R40: "a"\n'
    ),
    "parentheses": GrammarFormat("lark", "start: " + "(" * 15_000 + '"a"' + ")" * 15_000),
    "parentheses in an expression": GrammarFormat("regex", "(" * 15_000 + "a" + ")" * 15_000),
    "grammars in grammars": GrammarFormat("lark", "start: " + "%lark { start: " * 2_000 + '"a"' + " }" * 2_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused(grammars: Grammars, bomb: str) -> None:
    assert refusal(grammars, BOMBS[bomb])


@pytest.mark.parametrize(
    "wanted",
    [
        JsonFormat(chain(4_000, "$ref")),
        JsonFormat(chain(3_000, "items")),
        GrammarFormat("lark", "start: r0\n" + "".join(f"r{i}: r{i + 1}\n" for i in range(2_000)) + 'r2000: "a"\n'),
        GrammarFormat("lark", "start: R0\n" + "".join(f"R{i}: R{i + 1}\n" for i in range(2_000)) + 'R2000: "a"\n'),
        GrammarFormat("regex", "(a{1,100}){1,100}b"),
        JsonFormat({"type": "string", "maxLength": 10**9}),
    ],
)
def test_long_chains_do_not_overflow_a_stack(grammars: Grammars, wanted: OutputFormat) -> None:
    """The library recurses along them: this ends the process where the compiling thread's stack is too small."""
    assert grammars.compile_now(wanted)().forced() is not None


def test_a_mask_that_takes_too_much_fails_that_answer(grammars: Grammars, tokenizer: Tokenizer) -> None:
    one = walker(grammars, tokenizer, GrammarFormat("regex", "((((a{1,100}){1,100}){1,100}){1,100}){1,100}"))
    with pytest.raises(RequestError, match=r"cannot be followed|no token"):
        for _ in range(2_000):
            one.constraint.accept([min(one.allowed() - {0, 2})])


async def test_compiling_is_remembered_within_bounds(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "_KEPT", 3)
    own = Grammars(tokenizer, frozenset({2}), tokenizer.vocab_size)
    compiled: list[str] = []
    threads: set[threading.Thread] = set()
    compile_one = own._new_matcher

    def counted(text: str) -> Any:
        compiled.append(text)
        threads.add(threading.current_thread())
        return compile_one(text)

    monkeypatch.setattr(own, "_new_matcher", counted)
    for _ in range(2):  # what is refused is remembered, too
        with pytest.raises(RequestError):
            await own.compile(GrammarFormat("regex", "(a"))
    assert len(compiled) == 1
    compiled.clear()
    formats = [GrammarFormat("regex", f"a{{{i}}}b") for i in range(1, 5)]
    for wanted in [formats[0], formats[0], formats[1], formats[2], formats[0], formats[3], formats[0], formats[1]]:
        await own.compile(wanted)
    found = [int(re.findall(r"\{(\d)\}", text)[0]) for text in compiled]
    assert found == [1, 2, 3, 4, 2]  # the second was forgotten for the fourth, because it was used last of all
    assert threads.isdisjoint({threading.current_thread()}) and len(threads) == 1
    with pytest.raises(RequestError):
        await own.compile_lark("start: @nothing", param="tools")
    both = await asyncio.gather(*(own.compile(wanted) for wanted in formats))
    assert all(make().forced() is not None for make in both)
