"""What `spatz run` shows of a long prompt: a bar where a person looks, and afterwards how the prompt was read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from server.fake import FakeModel
from spatz.commands.answer import answer
from spatz.commands.prompt_bar import LONG, PromptBar, told
from spatz.commands.run import context_note
from spatz.context.areas import Area
from spatz.engine.request import ContextMode, ContextUse, FinishReason, Progress, Request, SamplingParams, Usage
from spatz.errors import ContextLengthError
from spatz.prompt.build import Prompt

SIZE = LONG + 1
WAIT = 30  # seconds that anything may take before a test fails instead of hanging


def prompt(size: int) -> Prompt:
    return Prompt(np.full(size, 97, np.int32), (Area(0, size),))


@pytest.fixture
def model() -> FakeModel:
    model = FakeModel()
    model.context_limit = 4 * SIZE
    model.held = True
    return model


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatz.commands.prompt_bar._looked_at", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")


async def run(model: FakeModel, size: int, progress: Sequence[Progress], pieces: list[str]) -> Usage:
    """An answer to a prompt that gets as far as told, and is then answered."""
    asked = answer(model, prompt(size), SamplingParams(), pieces.append, "prompt", ContextMode.AUTO)
    async with asyncio.timeout(WAIT), asyncio.TaskGroup() as group:
        working = group.create_task(asked)
        stream = await model.streams.get()
        for step in progress:
            stream.progress = step
        stream.put("Hello", 0, FinishReason.STOP, last=True)
        stream.items.put_nowait(None)
    return working.result().usage


@pytest.mark.usefixtures("looked_at")
async def test_a_bar_ends_before_the_answer_is_printed(model: FakeModel, capsys: pytest.CaptureFixture[str]) -> None:
    asked = model.submit(model.plan(_request(SIZE)))
    asked.progress = Progress(4_096, 1_000_000)
    async with PromptBar(asked, SIZE) as bar:
        await asyncio.sleep(0)  # its first look
        await bar.end()
        shown = capsys.readouterr().err
        assert "4,096/1,000,000 tokens" in shown
        await bar.end()
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("looked_at")
async def test_a_short_prompt_has_no_bar(model: FakeModel, capsys: pytest.CaptureFixture[str]) -> None:
    pieces: list[str] = []
    await run(model, LONG, [Progress(1, LONG)], pieces)
    assert pieces == ["Hello"] and capsys.readouterr().err == ""


async def test_nobody_looks_at_a_pipe(model: FakeModel, capsys: pytest.CaptureFixture[str]) -> None:
    pieces: list[str] = []
    usage = await run(model, SIZE, [Progress(1, SIZE)], pieces)
    assert pieces == ["Hello"] and capsys.readouterr().err == ""
    assert usage.context.mode is ContextMode.ROUTED


async def test_leaving_frees_the_slot_of_a_long_prompt(model: FakeModel) -> None:
    asked = answer(model, prompt(SIZE), SamplingParams(), lambda piece: None, "prompt", ContextMode.ROUTED)
    working = asyncio.create_task(asked)
    async with asyncio.timeout(WAIT):
        stream = await model.streams.get()
        working.cancel()
        await asyncio.wait([working])
        await stream.closed.wait()
    assert working.cancelled() and not model.open


async def test_the_limit_is_that_of_the_mode(model: FakeModel) -> None:
    for mode, size in ((ContextMode.EXACT, SIZE), (ContextMode.SKIM, 4 * SIZE + 1)):
        with pytest.raises(ContextLengthError):
            await answer(model, prompt(size), SamplingParams(), lambda piece: None, "prompt", mode)


def test_words() -> None:
    assert told(5, 10_000, None) == "5/10,000 tokens"
    assert told(5_000, 10_000, 2_500.4) == "5,000/10,000 tokens, 2,500/s"
    skimmed = Usage(1_000_000, 5, 0, ContextUse(ContextMode.SKIM, 2, ((5, 15), (100, 190))))
    assert context_note(skimmed) == "skimmed: of the prompt's 1,000,000 tokens, 100 in 2 passages were read"
    routed = Usage(9_000, 5, 0, ContextUse(ContextMode.ROUTED, 4))
    assert "4 passages" in context_note(routed) and context_note(routed).startswith("routed: ")


def _request(size: int) -> Request:
    return Request(prompt=prompt(size).tokens, params=SamplingParams())
