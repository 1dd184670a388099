"""Models with more rows than the tokenizer has tokens, as published ones of the qwen family: padding is never said."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatz.config import load
from spatz.engine.request import Request, SamplingParams, TokenLogprob
from spatz.errors import RequestError
from spatz.server.local import LocalModel, local_model
from weights.tiny_models import VOCAB, hf_config, hf_tensors, write_folder

ROWS = VOCAB + 37


@pytest.fixture(scope="module")
def padded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of padding that would win every draw: each is what the model ends on, twice as large as any real token."""
    tensors = hf_tensors("qwen2")
    embed = tensors.pop("model.embed_tokens.weight")
    head = embed.copy()
    loud = np.resize(4 * embed, (ROWS - VOCAB, embed.shape[1]))
    tensors["model.embed_tokens.weight"] = np.concatenate([embed, np.zeros_like(loud)])
    tensors["lm_head.weight"] = np.concatenate([head, loud])
    config = hf_config("qwen2") | {"vocab_size": ROWS, "tie_word_embeddings": False}
    return write_folder(tmp_path_factory.mktemp("padded"), "qwen2", config=config, tensors=tensors)


async def _tokens(model: LocalModel, prompt: list[int], **params: Any) -> tuple[list[int], list[TokenLogprob]]:
    tokens: list[int] = []
    logprobs: list[TokenLogprob] = []
    request = Request(prompt, SamplingParams(**{"max_tokens": 40, "ignore_eos": True, "seed": 3} | params))
    async with model.submit(request) as stream:
        async for delta in stream:
            tokens += delta.tokens
            logprobs += [*delta.logprobs, *(delta.prompt_logprobs or ())]
    return tokens, logprobs


def test_padding_is_never_sampled(padded: Path) -> None:
    settings = load(environ={"SPATZ_KV_MEMORY_MB": "1"})
    with local_model(settings, padded) as model, asyncio.Runner() as runner:
        seen: set[int] = set()
        for params in (
            {"temperature": 0.0},
            {"temperature": 1.0, "n": 2},
            {"temperature": 2.0, "top_p": 0.9},
            {"temperature": 1.0, "top_k": 5, "repetition_penalty": 1.3},
            {"temperature": 1.5, "min_p": 0.01, "logit_bias": {VOCAB - 1: 5.0}},
        ):
            tokens, _ = runner.run(_tokens(model, [5, 6, 7], **params))
            assert len(tokens) == 40 * params.get("n", 1)
            seen.update(tokens)
        assert max(seen) < VOCAB and len(seen) > 50

        logits = runner.run(_tokens(model, [5, 6, 7], max_tokens=1, temperature=0.0, logprobs=20))[1]
        assert any(token >= VOCAB for token, _, _ in logits[0].top), "the padding does not tempt: a useless test"


def test_ids_of_padding_are_refused(padded: Path) -> None:
    with local_model(load(environ={"SPATZ_KV_MEMORY_MB": "1"}), padded) as model, asyncio.Runner() as runner:
        for prompt, params in (([VOCAB], {}), ([5], {"logit_bias": {VOCAB: 1.0}})):
            with pytest.raises(RequestError, match=f"{VOCAB} is not a token id"):
                runner.run(_tokens(model, prompt, **params))
        _, scores = runner.run(_tokens(model, [5, 6, 7], max_tokens=0, prompt_logprobs=2))
        assert len(scores) == 2


def test_a_vocabulary_of_equal_size_needs_no_mask(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "qwen2")
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == VOCAB
    with local_model(load(environ={"SPATZ_KV_MEMORY_MB": "1"}), folder) as model:
        assert model.engine.backend.mask is None and model.engine.backend.rows == VOCAB
