from __future__ import annotations

from pathlib import Path

import pytest

from spatz.bench.long_prompt import SHORT_TOKENS, make_long_prompt, tokens_of
from spatz.errors import ConfigError
from spatz.evals.counting import PromptMaker


@pytest.mark.parametrize(
    ("text", "count"),
    [("32k", 32_768), ("1000000", 1_000_000), ("1m", 1_000_000), (" 1.5K ", 1_536), ("0.5m", 500_000)],
)
def test_lengths(text: str, count: int) -> None:
    assert tokens_of(text) == count


@pytest.mark.parametrize("text", ["", "k", "-1k", "1.5", "0", "1e6", "32 k", "17m", "99999999k", "\uff11k", "12kk"])
def test_no_lengths(text: str) -> None:
    with pytest.raises(ConfigError, match="is no number of tokens"):
        tokens_of(text)


def test_a_prompt_has_its_length_its_facts_and_its_questions(model_path: Path) -> None:
    maker = PromptMaker(model_path)
    prompt = make_long_prompt(model_path, 9_000, 3)
    texts = [case.messages[-1]["content"] for case in prompt.cases]
    documents = {text.rpartition("\n\n")[0] for text in texts}
    assert len(documents) == 1, "one text"
    assert len(set(texts)) == 3
    document = documents.pop()
    for case, text in zip(prompt.cases, texts, strict=True):
        assert 8_900 < maker.count(case.messages) + 64 <= 9_000
        assert case.expected[0] in document
        assert text.endswith(f"for {case.key} mentioned in the text?")
    assert make_long_prompt(model_path, 9_000, 3).cases[0].messages == prompt.cases[0].messages

    first = maker.prompt(prompt.cases[0].messages).tokens
    other = maker.prompt(prompt.other.messages).tokens
    assert len(first) < len(other) <= len(first) + 8
    assert list(first[:128]) != list(other[:128])

    short = [next(prompt.short) for _ in range(5)]
    assert len(set(short)) == 5
    for text in short:
        assert abs(maker.count([{"role": "user", "content": text}]) - SHORT_TOKENS) <= 5
