"""What a model file says about its tokenizer: filled by tokenizer_gguf and tokenizer_json, used by tokenizer.

Plain data. Whether the vocabulary is sound is checked where it is compiled (`_core.Bpe`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

__all__ = ["Pieces", "SpacePrefix", "TokenKind", "TokenizerSpec"]

Pieces = Literal["gpt2", "smollm", "llama3", "qwen2", "default", "sentencepiece"]
"""How a text is cut before merging. "sentencepiece" does not cut, and has a token of its own for spaces."""

SpacePrefix = Literal["none", "every", "every_unless_space", "first_unless_space"]
"""SentencePiece's space in front of texts: every one that follows the start or a special token, or the first alone."""


class TokenKind(IntEnum):
    """How a token may come out of a text. The values are the core's."""

    NEVER = 0  # unknown, unused
    NORMAL = 1  # by merging
    CONTROL = 2  # as a whole, only where special tokens are asked for
    USER = 3  # as a whole, always
    BYTE = 4  # SentencePiece's "<0x0A>"


@dataclass(frozen=True, slots=True)
class TokenizerSpec:
    pieces: Pieces
    tokens: Sequence[str]
    kinds: bytes  # TokenKind of each token
    merges: Sequence[str] = ()  # "left right", best first
    scores: Sequence[float] = ()  # instead of merges (SentencePiece in GGUF)
    ignore_merges: bool = False  # a piece that is a token as a whole is taken as it is
    unknown_id: int = -1  # byte-level: for bytes without a token; -1 drops them, as the reference does
    space_prefix: SpacePrefix = "none"
    nfc: bool = False  # text is brought into Unicode's form NFC first
    bos_id: int | None = None
    eos_id: int | None = None
    prefix_ids: tuple[int, ...] = ()  # put around a text with add_special
    suffix_ids: tuple[int, ...] = ()
