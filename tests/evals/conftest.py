"""The embedded model's tokenizer and template, and real text, for all tests of the evals."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatz.evals.counting import PromptMaker
from spatz.evals.haystack import Corpus
from spatz.evals.writer import Writer


@pytest.fixture(scope="package")
def maker(model_path: Path) -> PromptMaker:
    return PromptMaker(model_path)


@pytest.fixture(scope="package")
def corpus(maker: PromptMaker) -> Corpus:
    return Corpus(maker.tokenizer)


@pytest.fixture(scope="package")
def writer(corpus: Corpus, maker: PromptMaker) -> Writer:
    return Writer(corpus, maker.count)
