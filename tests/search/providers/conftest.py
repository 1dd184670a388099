"""The API that a provider asks in these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from search.providers.serving import Api, api


@pytest.fixture
async def served() -> AsyncIterator[Api]:
    async with api() as running:
        yield running
