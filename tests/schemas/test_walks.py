"""Whatever is said under a schema's constraint, down to its end, satisfies the schema: no model, only lots."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from schemas import collected, generator
from schemas.validity import problem
from schemas.walk import walk
from spatz.errors import RequestError
from spatz.prompt.grammar import Grammars
from spatz.prompt.strict_schema import check_strict
from spatz.prompt.turn import JsonFormat
from spatz.weights.tokenizer import Tokenizer
from weights.vocabularies import byte_level, metadata

WALKS = 3


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Of 1,500 tokens: many are several characters of JSON, and some are parts of one."""
    return Tokenizer.from_gguf(metadata(byte_level("smollm"), "smollm"))


@pytest.fixture(scope="module")
def grammars(tokenizer: Tokenizer) -> Grammars:
    assert tokenizer.eos_id is not None
    return Grammars(tokenizer, frozenset({tokenizer.eos_id}), tokenizer.vocab_size)


def walks(schema: dict[str, Any], grammars: Grammars, tokenizer: Tokenizer) -> list[str]:
    """The texts of walks that ended, all of which satisfy the schema."""
    make = grammars.compile_now(JsonFormat(schema))
    texts = [walk(make(), tokenizer, seed) for seed in range(WALKS)]
    ended = [text for text in texts if text is not None]
    for text in ended:
        assert problem(schema, text) is None, (schema, text)
    return ended


def test_generated_schemas(grammars: Grammars, tokenizer: Tokenizer) -> None:
    ended = [len(walks(generator.schema(seed), grammars, tokenizer)) for seed in range(60)]
    assert sum(ended) > 0.9 * WALKS * len(ended)


def test_generated_strict_schemas(grammars: Grammars, tokenizer: Tokenizer) -> None:
    ended = []
    for seed in range(60):
        schema = generator.strict_schema(seed)
        check_strict(schema, "X")
        ended.append(len(walks(schema, grammars, tokenizer)))
    assert sum(ended) > 0.9 * WALKS * len(ended)


def test_collected_schemas(grammars: Grammars, tokenizer: Tokenizer) -> None:
    counts = Counter[str]()
    schemas = [model.model_json_schema() for model in collected.models().values()]
    for schema in [*schemas, *collected.metaschemas().values()]:
        try:
            ended = walks(schema, grammars, tokenizer)
        except RequestError as error:
            counts["refused"] += 1
            assert error.status == 400
            assert error.code == "invalid_json_schema"
            assert error.param == "response_format"
            assert "is not supported" in error.message
        else:
            counts["ended"] += bool(ended)
    assert counts["ended"] > 40
    assert counts["refused"] > 10


def values(schema: dict[str, Any], grammars: Grammars, tokenizer: Tokenizer, number: int) -> set[str]:
    make = grammars.compile_now(JsonFormat(schema))
    found = {walk(make(), tokenizer, seed) for seed in range(number)} - {None}
    texts = {text for text in found if text is not None}
    for text in texts:
        assert problem(schema, text) is None, (schema, text)
    return texts


@pytest.mark.parametrize("name", ["date", "time", "date-time", "duration", "email", "hostname"])
def test_formats(name: str, grammars: Grammars, tokenizer: Tokenizer) -> None:
    assert len(values({"type": "string", "format": name}, grammars, tokenizer, 30)) > 15


@pytest.mark.parametrize("name", ["ipv4", "ipv6", "uuid", "uri"])
def test_formats_of_the_library(name: str, grammars: Grammars, tokenizer: Tokenizer) -> None:
    assert len(values({"type": "string", "format": name}, grammars, tokenizer, 20)) > 5


@pytest.mark.parametrize("pattern", generator.PATTERNS)
def test_patterns(pattern: str, grammars: Grammars, tokenizer: Tokenizer) -> None:
    assert values({"type": "string", "pattern": pattern}, grammars, tokenizer, 12)


def test_keys_come_in_the_schema_s_order(grammars: Grammars, tokenizer: Tokenizer) -> None:
    names = ["z", "b", "a", "y"]
    schema = {"type": "object", "properties": {name: {"type": "null"} for name in names}, "required": sorted(names)}
    schema["additionalProperties"] = False
    assert values(schema, grammars, tokenizer, 3) == {'{"z": null, "b": null, "a": null, "y": null}'}
