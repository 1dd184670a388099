"""Fixtures of the weights' tests: a hub on this machine, and no other one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hub_server import Hub, HubServer


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with HubServer() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("spatz.weights.download.PAUSE", 0.0)
        yield served


def no_progress(done: int, total: int | None, label: str) -> None:
    pass
