"""Every instruction set gives sane answers of the real model, and SPATZ_ISA forces it in what people start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from parity.oracle import compare, spatz_logits
from spatz import _core
from spatz.weights.load import LoadedModel, load_model

OTHERS = _core.supported_isas()[1:]


@pytest.mark.parametrize("isa", OTHERS)
def test_the_real_model_is_itself_on_other_instruction_sets(
    model: LoadedModel, model_path: Path, text_ids: NDArray[np.int32], isa: str
) -> None:
    """Sums in another order give other bits, and roundings to 8 bits then differ as much as both do from the exact."""
    ids = text_ids[:200]
    best = spatz_logits(model, ids)
    other = load_model(model_path, _core.Context(2, isa))
    found = compare(spatz_logits(other, ids), best, ids)
    assert abs(found.perplexity_ratio - 1) < 0.02 and found.top1 > 0.92 and found.correlation > 0.999
    prompt = np.array(other.tokenizer.encode("The capital of France is"), np.int32)
    assert other.tokenizer.decode(spatz_logits(other, prompt, last=1).argmax(-1)) == " Paris"


@pytest.mark.parametrize("isa", ["", *OTHERS])
def test_the_variable_forces_it(model_path: Path, isa: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spatz.cli", "run", "--raw", "--json", "-t", "0", "-n", "1", "The capital of France is"],
        env=os.environ | {"SPATZ_ISA": isa, "SPATZ_THREADS": "2", "SPATZ_MODEL": str(model_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert report["text"] == " Paris"
    assert report["core"] == {"isa": isa or _core.supported_isas()[0], "threads": 2, "kv": "int8"}


def test_an_unknown_one_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spatz.cli", "run", "hi"],
        env=os.environ | {"SPATZ_ISA": "mmx"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "SPATZ_ISA: 'mmx' is not one of" in done.stderr
