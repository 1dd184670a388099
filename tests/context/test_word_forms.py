"""What tokens say, put together at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spatz.context import word_forms as module
from spatz.context.word_forms import WordForms

PIECES = [b"", b"a", b" copper", b"\n", b"\xc3", b"\xa4", b"kettle" * 9]
FORMS = WordForms(PIECES.__getitem__, len(PIECES))


@given(st.lists(st.integers(0, len(PIECES) - 1), max_size=300))
def test_a_text_is_what_its_tokens_say(tokens: list[int]) -> None:
    assert FORMS.text(np.array(tokens, np.int32)) == b"".join(PIECES[token] for token in tokens)


def test_a_text_of_several_parts() -> None:
    tokens = np.arange(2 * module._AT_ONCE + 5, dtype=np.int32) % len(PIECES)
    assert FORMS.text(tokens) == b"".join(PIECES[token] for token in tokens.tolist())
