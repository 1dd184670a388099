"""A prompt of real text that is longer than the model's own context, with facts in it and a question for each.

Made as `spatz eval` makes its needles, so that what is fast is also seen to be right. Sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spatz.bench.text import TextTokens
from spatz.errors import ConfigError
from spatz.evals.case import Case
from spatz.evals.counting import PromptMaker
from spatz.evals.haystack import Corpus
from spatz.evals.needle import Needles, single_cases
from spatz.evals.writer import Writer

__all__ = ["ANSWER_TOKENS", "LongPrompt", "make_long_prompt", "tokens_of"]

ANSWER_TOKENS = 64  # room for an answer, which is part of the length
MOST_TOKENS = 1 << 24
SHORT_TOKENS = 100


@dataclass(frozen=True, slots=True)
class LongPrompt:
    tokens: int  # of the first question's prompt and room for its answer
    repeated: int  # tokens of text that had come before in it, where the machine has no more
    cases: Sequence[Case]  # one text, one question each
    short: Iterator[str]  # texts that make a chat prompt of SHORT_TOKENS, none twice

    @property
    def other(self) -> Case:
        """The same length, but not one page of it begins alike."""
        first = self.cases[0]
        said = first.messages[-1]
        return replace(first, messages=[*first.messages[:-1], {**said, "content": "Hello.\n" + said["content"]}])


def tokens_of(text: str) -> int:
    """ "32k" or "1m": k is 1,024 tokens, as in `spatz eval`; m is a million. Raises ConfigError."""
    match = re.fullmatch(r"([0-9]{1,8}|[0-9]{1,5}\.[0-9]{1,3}(?=[km]))([km]?)", text.strip().lower())
    count = int(float(match[1]) * {"": 1, "k": 1_024, "m": 1_000_000}[match[2]]) if match else 0
    if not 0 < count <= MOST_TOKENS:
        raise ConfigError(f"--context: {text.strip()!r} is no number of tokens, such as 1000000, 128k or 1m")
    return count


def make_long_prompt(path: Path, tokens: int, questions: int) -> LongPrompt:
    """path: of the model. Raises WeightsError, SpatzError, and ConfigError for a model that knows no turns."""
    maker = PromptMaker(path)
    writer = Writer(Corpus(maker.tokenizer), maker.count)
    cases = list(single_cases(writer, tokens, Needles(questions, questions, questions)))
    around = maker.count([{"role": "user", "content": "Hello"}]) - 1
    text = TextTokens(maker.tokenizer)

    def short() -> Iterator[str]:
        while True:
            yield maker.tokenizer.decode(text.take(max(1, SHORT_TOKENS - around)))

    return LongPrompt(tokens, cases[0].repeated, cases, short())
