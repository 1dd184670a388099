"""Small vocabularies, trained by the `tokenizers` package on Python's own documentation: real merges, no download."""

from __future__ import annotations

import json
import pydoc_data.topics
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TEXT = "\n".join(pydoc_data.topics.topics.values())
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
USER = ["<tool_call>", "<tool_call>>"]
SPACE = "\u2581"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"


def _regexes(*patterns: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def pre_tokenizer(name: str) -> pre_tokenizers.PreTokenizer:
    """What GGUF's name stands for, in the reference's parts."""
    if name == "smollm":
        return pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
    if name == "gpt-2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if name == "default":
        return _regexes(r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]")
    digits = {"llama-bpe": "{1,3}", "qwen2": ""}[name]
    return _regexes(rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{digits}|{_REST}")


def byte_level(name: str, vocab_size: int = 1500) -> Tokenizer:
    """A byte-level tokenizer with a pre-tokenizer that GGUF calls so."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama-bpe"))
    tokenizer.pre_tokenizer = pre_tokenizer(name)
    tokenizer.decoder = decoders.ByteLevel()
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=CONTROL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Chinese and German beside English, so that merges cross bytes of one character.
    tokenizer.train_from_iterator([TEXT[:100_000], "漢字と仮名 漢字 äöü ÄÖÜß größer " * 50], trainer)
    tokenizer.add_tokens(USER)
    return tokenizer


def metadata(tokenizer: Tokenizer, name: str) -> dict[str, Any]:
    """The same tokenizer as GGUF metadata."""
    model = json.loads(tokenizer.to_str())["model"]
    tokens = [tokenizer.id_to_token(index) for index in range(tokenizer.get_vocab_size())]
    kinds = [3 if token in CONTROL else 4 if token in USER else 1 for token in tokens]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": name,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [" ".join(pair) for pair in model["merges"]],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": False,
    }


def sentencepiece(prefix: str = "prepend") -> Tokenizer:
    """A tokenizer like Llama's and Gemma's: spaces are characters, no cutting, bytes for what has no token.

    prefix "prepend" (Llama), "none" (Gemma), or a scheme of Metaspace (newer Llama and Mistral files).
    """
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    learner.train_from_iterator([TEXT[:100_000]], trainers.BpeTrainer(vocab_size=1200, show_progress=False))
    learned = json.loads(learner.to_str())["model"]
    texts = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), SPACE * 2, SPACE * 4]
    texts += [token for token in learned["vocab"] if token not in texts]
    merges = [(SPACE, SPACE), (SPACE * 2, SPACE * 2), *map(tuple, learned["merges"])]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={text: index for index, text in enumerate(texts)},
            merges=merges,
            byte_fallback=True,
            fuse_unk=True,
            unk_token="<unk>",
        )
    )
    if prefix in ("prepend", "none"):
        replace = normalizers.Replace(" ", SPACE)
        tokenizer.normalizer = (
            normalizers.Sequence([normalizers.Prepend(SPACE), replace]) if prefix == "prepend" else replace
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prefix, split=False)
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def scored_metadata(tokenizer: Tokenizer, *, add_space_prefix: bool) -> dict[str, Any]:
    """A SentencePiece tokenizer as GGUF has it: a score for each token instead of merges."""
    model = json.loads(tokenizer.to_str())["model"]
    tokens = [tokenizer.id_to_token(index) for index in range(tokenizer.get_vocab_size())]
    ranks = {"".join(pair): rank for rank, pair in reversed(list(enumerate(model["merges"])))}
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [-float(ranks.get(token, 100_000)) for token in tokens],
        "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256, *[1] * (len(tokens) - 259)],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_space_prefix": add_space_prefix,
    }
