"""benchmarks/soak.py in short: 64 clients stream at once, and each stream is what the same question gave alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from server.running import RunningServer

PATH = Path(__file__).parent.parent / "benchmarks" / "soak.py"
CLIENTS = 64


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    spec = importlib.util.spec_from_file_location("soak", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up by name.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "soak", module)
        spec.loader.exec_module(module)
    return module


async def test_no_token_is_lost(server: RunningServer, soak: ModuleType) -> None:
    tally = await soak.soak(server.base_url, CLIENTS, asked=16, seconds=None, rounds=1, max_tokens=24)
    assert tally.errors == []
    assert tally.wrong == []
    assert tally.streams == CLIENTS
    assert len(tally.first) == CLIENTS
    assert tally.tokens >= CLIENTS


async def test_a_wrong_stream_is_noticed(
    server: RunningServer, soak: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the comparison rests on: another seed gives another answer, and a refused request is an error."""
    real = soak.ask
    asked = []

    async def ask(client: object, body: dict[str, object], first: list[float] | None = None) -> object:
        asked.append(body)
        changed = {**body, "seed": 999} if first is not None and len(asked) == 3 else body
        refused = {**body, "model": "gpt-9"} if first is not None and len(asked) == 4 else changed
        return await real(client, refused, first)

    monkeypatch.setattr(soak, "ask", ask)
    tally = await soak.soak(server.base_url, 2, asked=2, seconds=None, rounds=1, max_tokens=24)
    assert (len(tally.wrong), len(tally.errors)) == (1, 1)
