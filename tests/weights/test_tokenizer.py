"""Token ids against the `tokenizers` package, for all texts; special tokens, decoding, and text that is not Unicode."""

from __future__ import annotations

import inspect
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, models
from tokenizers import Tokenizer as Reference
from vocabularies import CONTROL, TEXT, byte_level, metadata, pre_tokenizer, scored_metadata, sentencepiece

from spatz.errors import RequestError
from spatz.weights.gguf import GGUFFile
from spatz.weights.tokenizer import Tokenizer

PRE = ("smollm", "gpt-2", "llama-bpe", "qwen2", "default")
SPICE = [
    *(
        " ",
        "\n",
        "\x00",
        "a",
        "The",
        "ing",
        "\t",
        "\r\n",
        "\x85",
        "\xa0",
        "\u3000",
        "\u2028",
        "\u200d",
        "\u0301",
        "é",
        "ß",
    ),
    *(
        "\u1e9e",
        "\u0130",
        "\u01c5",
        "\u017f",
        "漢",
        "字",
        "\U0001d518",
        "\U0001f469",
        "\U0001f1e6",
        "\u0378",
        "\U000e0041",
    ),
    *(
        "\U0007ffff",
        "1",
        "23",
        "456",
        "\u0663",
        "½",
        "²",
        "\u2167",
        "一",
        "\U00011de0",
        "\U00016ff4",
        "\U0001e4f0",
        "'",
    ),
    *(
        "'s",
        "'S",
        "'ll",
        "'LL",
        "'lL",
        "'re",
        "'\u017f",
        "'d",
        "\u2019s",
        "-",
        "--",
        "!!",
        "_",
        "$",
        "^",
        "<",
        "|",
        "~",
    ),
    *("<|im_end|>", "<|im_start|>", "<|im_", "<tool_call>", "<tool_call>>", "\u2581", "\u2581\u2581", "<s>", "<0x41>"),
]
WILD = st.lists(st.one_of(st.sampled_from(SPICE), st.characters(exclude_categories=["Cs"])), max_size=40).map("".join)


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[Reference, Tokenizer]]:
    references = {name: byte_level(name) for name in PRE}
    return {name: (reference, Tokenizer.from_gguf(metadata(reference, name))) for name, reference in references.items()}


@pytest.mark.parametrize("name", PRE)
@given(text=WILD)
@settings(max_examples=150, deadline=None)
def test_wild_text_gives_the_reference_ids(pairs: dict[str, tuple[Reference, Tokenizer]], name: str, text: str) -> None:
    reference, tokenizer = pairs[name]
    assert tokenizer.encode(text, parse_special=True) == reference.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", PRE)
def test_real_text_gives_the_reference_ids(pairs: dict[str, tuple[Reference, Tokenizer]], name: str) -> None:
    reference, tokenizer = pairs[name]
    texts = [TEXT, Path(pytest.__file__).read_text(), Path(inspect.__file__).read_text(), Path(__file__).read_text()]
    for text in texts:
        ids = tokenizer.encode(text, parse_special=True)
        assert ids == reference.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("name", PRE)
def test_every_character_between_letters_digits_and_marks(
    pairs: dict[str, tuple[Reference, Tokenizer]], name: str
) -> None:
    reference, tokenizer = pairs[name]
    # All of the small scripts, and samples of the long runs and of the empty planes.
    points = [
        c
        for c in [*range(0x3400), *range(0x3400, 0x32000, 5), *range(0x32000, 0x110000, 499)]
        if not 0xD800 <= c < 0xE000
    ]
    for start in range(0, len(points), 8192):
        text = "".join(f"a{c}1{c}# {c}\n{c}'{c}" for c in map(chr, points[start : start + 8192]))
        assert tokenizer.encode(text) == reference.encode(text, add_special_tokens=False).ids, hex(start)


@pytest.mark.parametrize("name", PRE)
def test_long_words(pairs: dict[str, tuple[Reference, Tokenizer]], name: str) -> None:
    reference, tokenizer = pairs[name]
    letters = "".join(word for word in TEXT[:60_000].split() if word.isalpha())
    for text in (
        letters,
        "a" * 10_001,
        "ab" * 5_000,
        " " * 5_001 + "x",
        "\n" * 999,
        "1" * 1_000,
        "!" * 999,
        "漢" * 3_000,
    ):
        assert tokenizer.encode(text) == reference.encode(text, add_special_tokens=False).ids


def test_the_embedded_model_against_the_reference(model_path: Path) -> None:
    file = GGUFFile(model_path)
    try:
        tokenizer = Tokenizer.from_gguf(file.metadata)
        tokens, merges, kinds = (file.metadata[f"tokenizer.ggml.{key}"] for key in ("tokens", "merges", "token_type"))
        assert isinstance(tokens, list) and isinstance(merges, list)
        vocab = {str(token): index for index, token in enumerate(tokens)}
        reference = Reference(models.BPE(vocab=vocab, merges=[tuple(str(merge).split(" ")) for merge in merges]))
        reference.pre_tokenizer = pre_tokenizer("smollm")
        special = [
            AddedToken(str(t), special=True) for t, kind in zip(tokens, np.asarray(kinds), strict=True) if kind == 3
        ]
        reference.add_special_tokens(special)
    finally:
        file.close()
    assert tokenizer.vocab_size == 49152
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.add_bos) == (1, 2, False)
    assert tokenizer.encode(TEXT) == reference.encode(TEXT).ids
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    every = "".join(f" {chr(c)}a" for c in range(0x30000) if not 0xD800 <= c < 0xE000)  # also bytes without a token
    assert tokenizer.encode(every) == reference.encode(every).ids
    chat = "<|im_start|>user\nWhat is 12345 + 67?<|im_end|>\n"
    assert tokenizer.encode(chat, parse_special=True) == reference.encode(chat).ids


def naive_scores(text: str, scores: dict[str, float]) -> list[str]:
    """SentencePiece's rule, as slow as it is short: merge the best-scored neighbours, leftmost first."""
    parts = list(text)
    while True:
        found = [(-scores[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in scores]
        if not found:
            return [
                p for part in parts for p in ([part] if part in scores else [f"<0x{b:02X}>" for b in part.encode()])
            ]
        at = min(found)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


@pytest.fixture(scope="module")
def scored() -> tuple[Tokenizer, dict[str, float], list[str]]:
    data = scored_metadata(sentencepiece(), add_space_prefix=True)
    tokens = data["tokenizer.ggml.tokens"]
    scores = dict(zip(tokens, data["tokenizer.ggml.scores"], strict=True))
    return Tokenizer.from_gguf(data), {token: scores[token] for token in tokens[259:]}, tokens


@given(text=st.one_of(WILD, st.text(alphabet="ab \u2581the<>sn", max_size=60)))
@settings(max_examples=150, deadline=None)
def test_scores_merge_as_sentencepiece_does(scored: tuple[Tokenizer, dict[str, float], list[str]], text: str) -> None:
    tokenizer, scores, tokens = scored
    expected = naive_scores("\u2581" + text.replace(" ", "\u2581"), scores) if text else []
    assert [tokens[token] for token in tokenizer.encode(text)] == expected
    assert tokenizer.decode(tokenizer.encode(text)) == text.replace("\u2581", " ")


def test_scores_merge_as_ranks_do_in_real_text(scored: tuple[Tokenizer, dict[str, float], list[str]]) -> None:
    assert scored[0].encode(TEXT) == sentencepiece().encode(TEXT, add_special_tokens=False).ids


def test_control_tokens_only_where_they_are_asked_for(pairs: dict[str, tuple[Reference, Tokenizer]]) -> None:
    tokenizer = pairs["smollm"][1]
    text = "".join(CONTROL)
    assert tokenizer.encode(text, parse_special=True) == [0, 1, 2]
    assert not {0, 1, 2} & set(tokenizer.encode(text))
    assert tokenizer.decode(tokenizer.encode(text)) == text
    user = tokenizer.encode("x<tool_call>>y")  # a user-defined token always counts, and the longest wins
    assert [tokenizer.token_bytes(token) for token in user] == [b"x", b"<tool_call>>", b"y"]


def test_special_tokens_around_a_text(pairs: dict[str, tuple[Reference, Tokenizer]]) -> None:
    data = metadata(pairs["smollm"][0], "smollm") | {
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": True,
    }
    tokenizer = Tokenizer.from_gguf(data)
    assert tokenizer.add_bos
    assert tokenizer.encode("a", add_special=True) == [1, *tokenizer.encode("a"), 2]
    assert tokenizer.encode("", add_special=True) == [1, 2]
    assert tokenizer.special_id("<|im_end|>") == 2
    assert tokenizer.special_id("a") is None
    assert tokenizer.decode([1, *tokenizer.encode("a"), 2], skip_special=True) == "a"


@given(text=WILD)
@settings(max_examples=100, deadline=None)
def test_streams_say_what_decode_says(
    pairs: dict[str, tuple[Reference, Tokenizer]], scored: tuple[Tokenizer, dict[str, float], list[str]], text: str
) -> None:
    for tokenizer in (pairs["smollm"][1], scored[0]):
        stream = tokenizer.stream_decoder(skip_special=False, strip_space=tokenizer.adds_space)
        ids = tokenizer.encode(text)
        assert "".join([*map(stream.feed, ids), stream.flush()]) == tokenizer.decode(ids)


def test_streams_hold_back_half_characters(pairs: dict[str, tuple[Reference, Tokenizer]]) -> None:
    tokenizer = pairs["smollm"][1]
    snowman = tokenizer.encode("☃")
    assert len(snowman) == 3
    stream = tokenizer.stream_decoder()
    assert [*map(stream.feed, snowman), stream.flush()] == ["", "", "☃", ""]
    stream = tokenizer.stream_decoder()
    assert [*map(stream.feed, [snowman[0], *tokenizer.encode("x"), 2]), stream.flush()] == ["", "\ufffdx", "", ""]
    stream = tokenizer.stream_decoder()
    assert [stream.feed(snowman[0]), stream.flush()] == ["", "\ufffd"]


def test_a_stream_that_continues_keeps_its_space(scored: tuple[Tokenizer, dict[str, float], list[str]]) -> None:
    tokenizer = scored[0]
    ids = tokenizer.encode("the snow ☃")
    for strip, expected in ((True, "the snow ☃"), (False, " the snow ☃")):
        stream = tokenizer.stream_decoder(strip_space=strip)
        assert "".join([*map(stream.feed, ids), stream.flush()]) == expected


def test_ids_outside_of_the_vocabulary(pairs: dict[str, tuple[Reference, Tokenizer]]) -> None:
    tokenizer = pairs["smollm"][1]
    assert tokenizer.token_bytes(tokenizer.vocab_size) == b""  # a row of padding in the model
    assert tokenizer.decode([tokenizer.vocab_size + 5]) == ""
    for wrong in (lambda: tokenizer.token_bytes(-1), lambda: tokenizer.decode([-1])):
        with pytest.raises(RequestError, match="not a token"):
            wrong()


def test_half_a_surrogate_pair_is_refused(pairs: dict[str, tuple[Reference, Tokenizer]]) -> None:
    with pytest.raises(RequestError, match="surrogate pair at index 2"):
        pairs["smollm"][1].encode("ab\ud83d")
