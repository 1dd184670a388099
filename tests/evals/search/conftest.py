"""Settings that name nobody's data and nobody's providers."""

from __future__ import annotations

import pytest

from spatz.config import Settings, load


@pytest.fixture(scope="package")
def settings() -> Settings:
    return load(environ={})
