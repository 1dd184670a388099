"""The embedded model against a float32 computation from the same dequantized weights, and against itself.

What is lost here is lost by our arithmetic alone: activations in 8 bits per block beside 4-bit weights, keys and values
in 8 bits, or bf16 throughout. The bounds are what the project promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from parity.oracle import Logits, compare, spatz_logits, torch_logits, torch_model
from spatz import _core
from spatz.weights.load import LoadedModel, load_model

Ids = NDArray[np.int32]


@pytest.fixture(scope="module")
def reference(model_path: Path, text_ids: Ids) -> Logits:
    pytest.importorskip("transformers")
    return torch_logits(torch_model(model_path), text_ids)


def test_four_bits_lose_next_to_nothing(model: LoadedModel, text_ids: Ids, reference: Logits) -> None:
    assert model.kv_kind() == "int8"
    found = compare(spatz_logits(model, text_ids), reference, text_ids)
    print(found)
    assert abs(found.perplexity_ratio - 1) < 0.01
    assert found.top1 >= 0.97


def test_bf16_loses_less(model_path: Path, core: _core.Context, text_ids: Ids, reference: Logits) -> None:
    model = load_model(model_path, core, format="bf16")
    assert model.kv_kind() == "bf16"
    some = text_ids[:1200]
    found = compare(spatz_logits(model, some), reference[: len(some)], some)
    print(found)
    assert abs(found.perplexity_ratio - 1) < 0.003
    assert found.top1 >= 0.985


@pytest.fixture(scope="module")
def short(text_ids: Ids) -> Ids:
    return text_ids[:700]


@pytest.fixture(scope="module")
def whole(model: LoadedModel, short: Ids) -> Logits:
    return spatz_logits(model, short, chunk=700)


@pytest.mark.parametrize("chunk", [504, 97, 7])
def test_chunks_change_no_bit(model: LoadedModel, short: Ids, whole: Logits, chunk: int) -> None:
    assert np.array_equal(spatz_logits(model, short, chunk=chunk), whole)


def test_decoding_changes_no_bit(model: LoadedModel, short: Ids, whole: Logits) -> None:
    assert np.array_equal(spatz_logits(model, short[:140], chunk=1), whole[:140])


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_bit(model_path: Path, short: Ids, whole: Logits, threads: int) -> None:
    assert np.array_equal(spatz_logits(load_model(model_path, _core.Context(threads)), short, chunk=256), whole)


def test_a_batch_changes_no_bit(model: LoadedModel, short: Ids, whole: Logits) -> None:
    """Three sequences of their own lengths in one call, then decode steps of all of them beside a prompt."""
    size = _core.PAGE_TOKENS
    cache = _core.KVCache(model.core, 40, model.kv_kind())
    table = np.arange(40, dtype=np.int32).reshape(4, 10)[:, ::-1].copy()  # pages in no particular order
    texts = [short[:650], short[100:333], short[7:8], short[:500]]
    alone = [whole, spatz_logits(model, texts[1]), spatz_logits(model, texts[2]), whole]

    def step(which: Sequence[int], starts: Sequence[int], counts: Sequence[int]) -> None:
        parts = [texts[i][at : at + n] for i, at, n in zip(which, starts, counts, strict=True)]
        ends = np.cumsum([0, *map(len, parts)]).astype(np.int32)
        tokens = np.concatenate(parts)
        rows = np.arange(len(tokens), dtype=np.int32)
        got = model.core.logits(cache, tokens, ends, np.array(starts, np.int32), table[list(which)], rows)
        for i, at, n, end in zip(which, starts, counts, ends[1:].tolist(), strict=True):
            assert np.array_equal(got[end - n : end], alone[i][at : at + n]), (i, at)

    assert size * table.shape[1] > 650
    step([0, 1, 2], [0, 0, 0], [600, 230, 1])
    for n in range(3):
        step([0, 1, 3], [600 + n, 230 + n, 150 * n], [1, 1, 150])
