"""Documents for perplexity, and the bins of its curve."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from spatz.evals.haystack import Corpus
from spatz.evals.perplexity import Bin, Perplexity, bins, document_tokens


def test_bins_cover_all_positions() -> None:
    for count in (1, 100, 255, 256, 300, 320, 1_000, 8_191, 131_071):
        found = bins([-0.5] * count)
        assert found[0].start == 1 and found[-1].end == count + 1
        assert all(before.end == after.start for before, after in pairwise(found))
        assert all(item.nll == pytest.approx(0.5) for item in found)
    assert [item.start for item in bins([-1.0] * 2_000)] == [1, 256, 512, 768, 1152, 1728]


def test_means() -> None:
    logprobs = [-1.0] * 255 + [-3.0] * 256
    first, second = bins(logprobs)
    assert (first.nll, second.nll) == (1.0, 3.0)
    assert first.perplexity == pytest.approx(math.e)
    curve = Perplexity("code", 512, (first, second), 0.0, 0)
    assert curve.nll == pytest.approx((255 + 3 * 256) / 511)
    assert math.isnan(Perplexity("code", 512, (), 0.0, 0, "broken").nll)
    assert Bin(0, 1, 0.0).perplexity == 1


def test_documents(corpus: Corpus) -> None:
    code, repeated = document_tokens(corpus, "code", 3_000, 0)
    assert len(code) == 3_000 and repeated == 0
    assert code == document_tokens(corpus, "code", 3_000, 0)[0]
    assert code != document_tokens(corpus, "code", 3_000, 1)[0]
    assert "def " in corpus.tokenizer.decode(code)  # type: ignore[arg-type]
    assert document_tokens(corpus, "prose", 3_000, 0)[0] != code
