"""The server that the clients talk to: the session's own, or (in the second environment) the one that is named."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from openai import OpenAI

from clients.asking import QUIET, WAIT

collect_ignore = [] if "CLIENTS_BASE_URL" in os.environ else ["older"]


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> str:
    """With /v1."""
    given = os.environ.get("CLIENTS_BASE_URL")
    return given or request.getfixturevalue("server").base_url


@pytest.fixture
def client(base_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=base_url, api_key="none", timeout=WAIT, max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the cloud in the environment, and no way out of the machine."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
