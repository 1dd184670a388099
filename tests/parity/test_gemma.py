"""The catalog's other packaged model, gemma-3-270m: a base model with norms, windows and another kind of tokenizer."""

from __future__ import annotations

from pathlib import Path
from pydoc_data import topics
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from parity.oracle import Logits, compare, spatz_logits, torch_logits, torch_model
from spatz import _core
from spatz.errors import DownloadError
from spatz.prompt.build import build_completion
from spatz.weights.load import LoadedModel, load_model
from spatz.weights.pull import pull, resolve

NAME = "gemma-3-270m"

LAST = 200

Ids = NDArray[np.int32]


@pytest.fixture(scope="module")
def gemma_path(data_dir: Path) -> Path:
    """Fetched once, 238 MB, and kept where `spatz pull` keeps it."""
    try:
        return resolve(NAME, data_dir) or pull(NAME, data_dir, lambda done, total, doing: None)
    except DownloadError as error:
        pytest.skip(f"{NAME} cannot be had: {error}")


@pytest.fixture(scope="module")
def gemma(gemma_path: Path, core: _core.Context) -> LoadedModel:
    return load_model(gemma_path, core)


@pytest.fixture(scope="module")
def reference(gemma_path: Path) -> Any:
    pytest.importorskip("transformers")
    return torch_model(gemma_path)


@pytest.fixture(scope="module")
def text(gemma: LoadedModel, reference: Any) -> tuple[Ids, Logits]:
    ids = prompt(gemma, "\n\n".join(topics.topics[name] for name in ("assignment", "compound")))[:800]
    return ids, torch_logits(reference, ids, last=LAST)


def prompt(gemma: LoadedModel, text: str) -> Ids:
    return np.array(build_completion(text, gemma.tokenizer).tokens, np.int32)


def greedy(gemma: LoadedModel, ids: Ids, tokens: int) -> Ids:
    for _ in range(tokens):
        ids = np.append(ids, spatz_logits(gemma, ids, last=1).argmax(-1)).astype(np.int32)
    return ids[-tokens:]


def test_a_prompt_begins_as_the_model_was_trained(gemma: LoadedModel) -> None:
    assert gemma.card.architecture == "gemma3"
    assert gemma.tokenizer.decode(prompt(gemma, "The capital of France is")) == "<bos>The capital of France is"


def test_the_capital_of_france(gemma: LoadedModel, reference: Any) -> None:
    """The bare sentence goes on with " the" (19 %, " Paris" is third with 8 %), in the float32 computation as well: it
    is a base model, and the sentence could be any prose. Where it answers a question, it says Paris."""
    bare = prompt(gemma, "The capital of France is")
    ours, theirs = spatz_logits(gemma, bare, last=1)[0], torch_logits(reference, bare, last=1)[0]
    paris = gemma.tokenizer.encode(" Paris")[0]
    assert paris in np.argsort(-ours)[:3] and paris in np.argsort(-theirs)[:3]
    assert np.allclose(*(_probabilities(logits) for logits in (ours, theirs)), atol=0.02)

    asked = prompt(gemma, "Q: What is the capital of France?\nA: The capital of France is")
    assert gemma.tokenizer.decode(greedy(gemma, asked, 2)) == " Paris."
    assert torch_logits(reference, asked, last=1).argmax() == paris


@pytest.mark.parametrize(
    ("format", "perplexity", "top1", "correlation"),
    [(None, 0.02, 0.9, 0.998), ("bf16", 0.005, 0.965, 0.9999)],
)
def test_english_text_past_the_window(
    gemma_path: Path,
    core: _core.Context,
    text: tuple[Ids, Logits],
    format: str | None,
    perplexity: float,
    top1: float,
    correlation: float,
) -> None:
    """The tokens 600 to 800 of a text: most layers no longer see its beginning."""
    ids, reference = text
    model = load_model(gemma_path, core, format=format)
    found = compare(spatz_logits(model, ids, last=LAST), reference, ids[-LAST:])
    assert abs(found.perplexity_ratio - 1) < perplexity
    assert found.top1 >= top1  # of 200: 1.5 % more or less are chance
    assert found.correlation > correlation


def _probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    weights: NDArray[np.float32] = np.exp(logits - logits.max())
    return weights / weights.sum()
