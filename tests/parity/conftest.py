"""English text of a fair length, the embedded model in both precisions, and torch on as many threads as we take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from pydoc_data import topics

import numpy as np
import pytest
from numpy.typing import NDArray

from spatz import _core
from spatz.weights.load import LoadedModel, load_model

TOKENS = 2304  # 18 pages


@pytest.fixture(scope="session")
def core() -> _core.Context:
    return _core.Context(2)


@pytest.fixture(scope="session")
def model(model_path: Path, core: _core.Context) -> LoadedModel:
    """As it is served by default: 4 bits, as in its file."""
    return load_model(model_path, core)


@pytest.fixture(scope="session")
def text_ids(model: LoadedModel) -> NDArray[np.int32]:
    """Python's own documentation, which is written by people and comes with every Python."""
    text = "\n\n".join(topics.topics[name] for name in ("assignment", "compound", "typesseq"))
    ids = model.tokenizer.encode_array(text)
    assert len(ids) > TOKENS
    return ids[:TOKENS]


@pytest.fixture(autouse=True, scope="session")
def torch_threads() -> Iterator[None]:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
