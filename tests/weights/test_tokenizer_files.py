"""Tokenizers as files describe them: each supported pipeline, and one clear error for what is not, or is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Reference
from tokenizers import processors
from vocabularies import TEXT, byte_level, metadata, scored_metadata, sentencepiece

from spatz.errors import WeightsError
from spatz.weights.tokenizer import Tokenizer

BYTE_LEVEL = ("smollm", "gpt-2", "llama-bpe", "qwen2")
SENTENCEPIECE = ("prepend", "none", "always", "first", "never")


def saved(reference: Reference, folder: Path) -> Path:
    path = folder / "tokenizer.json"
    reference.save(str(path))
    return path


@pytest.fixture(scope="module")
def from_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Reference, Tokenizer]]:
    references = {name: byte_level(name) for name in BYTE_LEVEL} | {name: sentencepiece(name) for name in SENTENCEPIECE}
    return {
        name: (reference, Tokenizer.from_file(saved(reference, tmp_path_factory.mktemp(name))))
        for name, reference in references.items()
    }


@pytest.mark.parametrize("name", BYTE_LEVEL + SENTENCEPIECE)
@given(text=st.one_of(st.text(max_size=40), st.text(alphabet="ab1 \u2581\n<s>'é漢\u0301", max_size=40)))
@settings(max_examples=150, deadline=None)
def test_a_file_gives_the_reference_ids(
    from_files: dict[str, tuple[Reference, Tokenizer]], name: str, text: str
) -> None:
    reference, tokenizer = from_files[name]
    assert tokenizer.encode(text, parse_special=True) == reference.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", BYTE_LEVEL + SENTENCEPIECE)
def test_real_text(from_files: dict[str, tuple[Reference, Tokenizer]], name: str) -> None:
    reference, tokenizer = from_files[name]
    assert tokenizer.encode(TEXT) == reference.encode(TEXT, add_special_tokens=False).ids


def test_bos_and_eos(tmp_path: Path) -> None:
    reference = sentencepiece()
    reference.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=None, special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    path = saved(reference, tmp_path)
    config = {"bos_token": "<s>", "eos_token": {"content": "</s>"}}
    tokenizer = Tokenizer.from_file(path, config)
    assert tokenizer.encode("the", add_special=True) == reference.encode("the").ids
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.add_bos) == (1, 2, True)
    assert not Tokenizer.from_file(path, config | {"add_bos_token": False}).add_bos


def _set(*path: str | int, to: Any) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return change


WRONG_FILES: list[tuple[Callable[[Any], None], str]] = [
    (_set("model", to=None), "model is missing"),
    (_set("model", "type", to="Unigram"), "Unigram"),
    (_set("model", "dropout", to=0.1), "dropout"),
    (_set("model", "byte_fallback", to=True), "byte_fallback"),
    (_set("model", "vocab", to=[]), "vocab"),
    (_set("model", "vocab", "a", to=-1), "has the id -1"),
    (_set("model", "vocab", "a", to=1 << 40), "has the id"),
    (_set("model", "vocab", "a", to=2_000_000), "the highest id is 2000000"),
    (_set("model", "vocab", "a", to=5), "the same id"),
    (_set("model", "vocab", "a", to=True), "has the id True"),
    (_set("model", "merges", to={}), ""),
    (_set("model", "merges", 0, to=["a", "nothing of that name"]), "two tokens|not in the vocabulary"),
    (_set("model", "merges", 0, to="abc"), "merge 0"),
    (_set("model", "merges", 0, to=5), "merge"),
    (_set("normalizer", to={"type": "Lowercase"}), "Lowercase"),
    (_set("pre_tokenizer", to={"type": "Whitespace"}), "Whitespace"),
    (_set("pre_tokenizer", to={"type": "Sequence", "pretokenizers": [5]}), "pre_tokenizer"),
    (_set("pre_tokenizer", to=None), "pre-tokenizer"),
    (_set("post_processor", to={"type": "BertProcessing"}), "BertProcessing"),
    (
        _set("post_processor", to={"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}]}),
        "unknown token",
    ),
    (_set("added_tokens", 0, "lstrip", to=True), "lstrip"),
    (_set("added_tokens", 0, "content", to=""), "no content"),
    (_set("added_tokens", 0, "id", to="x"), "has the id"),
]


@pytest.mark.parametrize(("change", "match"), WRONG_FILES, ids=range(len(WRONG_FILES)))
def test_files_that_are_refused(tmp_path: Path, change: Callable[[Any], None], match: str) -> None:
    path = saved(byte_level("smollm", 400), tmp_path)
    file = json.loads(path.read_text())
    change(file)
    path.write_text(json.dumps(file))
    if file["model"] is not None and file["model"]["merges"] == {}:  # no merges is a vocabulary of bytes, and sound
        assert Tokenizer.from_file(path).encode("ab") != []
        return
    with pytest.raises(WeightsError, match=match):
        Tokenizer.from_file(path)


def test_files_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        Tokenizer.from_file(tmp_path / "none.json")
    for content in (b"", b"[]", b"{", b"\xff", b"[" * 100_000):
        path = tmp_path / "tokenizer.json"
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"tokenizer\.json"):
            Tokenizer.from_file(path)


@pytest.fixture(scope="module")
def gguf() -> dict[str, Any]:
    return metadata(byte_level("smollm", 400), "smollm")


def _replaced(data: dict[str, Any], key: str, index: int, value: Any) -> dict[str, Any]:
    items = list(data[f"tokenizer.ggml.{key}"])
    items[index] = value
    return data | {f"tokenizer.ggml.{key}": items}


WRONG_METADATA: list[tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = [
    (lambda d: {}, "model is missing"),
    (lambda d: d | {"tokenizer.ggml.model": "bert"}, "'bert' is not supported"),
    (lambda d: d | {"tokenizer.ggml.model": 5}, "not of the type str"),
    (lambda d: d | {"tokenizer.ggml.pre": "falcon"}, "'falcon' is not supported"),
    (lambda d: {k: v for k, v in d.items() if not k.endswith(".pre")}, "pre is missing"),
    (lambda d: d | {"tokenizer.ggml.tokens": []}, "."),
    (lambda d: d | {"tokenizer.ggml.tokens": "abc"}, "tokens is not"),
    (lambda d: _replaced(d, "tokens", 9, 5), "other things than strings"),
    (lambda d: _replaced(d, "tokens", 9, d["tokenizer.ggml.tokens"][8]), "has the text of another"),
    (lambda d: _replaced(d, "tokens", 9, ""), "token 9 is empty"),
    (lambda d: _replaced(d, "tokens", 9, "\ud800"), "not valid Unicode"),
    (lambda d: _replaced(d, "token_type", 9, 7), "unknown type"),
    (lambda d: _replaced(d, "token_type", 9, -1), "unknown type"),
    (lambda d: d | {"tokenizer.ggml.token_type": [1]}, "one number for each"),
    (lambda d: _replaced(d, "merges", 3, "nothing here"), "merge 3 names a token"),
    (lambda d: _replaced(d, "merges", 3, "a b c"), "merge 3 is not two"),
    (lambda d: _replaced(d, "merges", 3, ""), "merge 3 is not two"),
    (lambda d: _replaced(d, "merges", 3, d["tokenizer.ggml.merges"][2]), "merge 3 is there twice"),
    (lambda d: d | {"tokenizer.ggml.bos_token_id": 10**6}, "bos_token_id is 1000000"),
    (lambda d: d | {"tokenizer.ggml.add_bos_token": "yes"}, "not of the type bool"),
    (
        lambda d: {k: v for k, v in d.items() if "bos" not in k} | {"tokenizer.ggml.add_bos_token": True},
        "bos_token_id is missing",
    ),
]


@pytest.mark.parametrize(("change", "match"), WRONG_METADATA, ids=range(len(WRONG_METADATA)))
def test_metadata_that_is_refused(
    gguf: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]], match: str
) -> None:
    with pytest.raises(WeightsError, match=match):
        Tokenizer.from_gguf(change(gguf))


def test_scores_that_are_refused() -> None:
    data = scored_metadata(sentencepiece(), add_space_prefix=True)
    assert Tokenizer.from_gguf(data).add_bos  # the format's default
    for change, match in (
        ({"tokenizer.ggml.scores": [0.0]}, "one number for each"),
        ({"tokenizer.ggml.scores": [float("nan")] * len(data["tokenizer.ggml.tokens"])}, "not a number"),
        ({"tokenizer.ggml.token_type": [1] * len(data["tokenizer.ggml.tokens"])}, "no token for some byte"),
    ):
        with pytest.raises(WeightsError, match=match):
            Tokenizer.from_gguf(data | change)


def test_without_types_the_named_tokens_are_special(gguf: dict[str, Any]) -> None:
    data = {key: value for key, value in gguf.items() if not key.endswith("token_type")}
    assert set(Tokenizer.from_gguf(data).special_tokens.values()) == {1, 2}
