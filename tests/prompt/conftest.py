"""A tokenizer without merges: each byte is a token. What is tested here is which tokens are special, and where."""

from __future__ import annotations

import pytest
from tokenizers.pre_tokenizers import ByteLevel

from spatz.weights.tokenizer import Tokenizer
from spatz.weights.tokenizer_spec import TokenizerSpec, TokenKind

CONTROL = ["<|im_start|>", "<|im_end|>", "<s>", "[INST]"]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    letters = sorted(ByteLevel.alphabet())
    kinds = [TokenKind.CONTROL] * len(CONTROL) + [TokenKind.NORMAL] * len(letters)
    return Tokenizer(TokenizerSpec("smollm", [*CONTROL, *letters], bytes(kinds), bos_id=2, eos_id=1))
