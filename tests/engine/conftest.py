"""The embedded model, once for all tests that want the real core."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from spatz.weights.load import LoadedModel

NAME = "smollm2-135m-instruct"


@pytest.fixture(scope="session")
def loaded() -> LoadedModel:
    from spatz import _core
    from spatz.config import Settings
    from spatz.errors import DownloadError
    from spatz.weights.load import load_model
    from spatz.weights.pull import pull, resolve

    given = os.environ.get("SPATZ_DATA_DIR")
    data_dir = Path(given) if given else Settings().data_dir
    try:
        path = resolve(NAME, data_dir) or pull(NAME, data_dir, lambda done, total, what: None)
    except DownloadError as error:
        pytest.skip(f"the embedded model cannot be had: {error}")
    return load_model(path, _core.Context())
