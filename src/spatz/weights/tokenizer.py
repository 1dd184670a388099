"""Text to token ids and back. The top of the tokenizer's files: what the prompt, the server and the loader call.

The work is done in the core (`_core.Bpe`), with ids equal to the reference implementations' for every text. Special
tokens in a text are plain text unless parse_special says otherwise. Chat templates are not here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatz import _core
from spatz.errors import RequestError, WeightsError
from spatz.weights.stream_decoder import StreamDecoder
from spatz.weights.tokenizer_gguf import read_gguf_tokenizer
from spatz.weights.tokenizer_json import read_json_tokenizer
from spatz.weights.tokenizer_spec import TokenizerSpec, TokenKind

__all__ = ["Tokenizer"]


class Tokenizer:
    """Immutable and safe to share between threads."""

    def __init__(self, spec: TokenizerSpec) -> None:
        """Raises WeightsError for a vocabulary that is not sound."""
        try:
            self._bpe = _core.Bpe(
                tokens=spec.tokens,
                kinds=spec.kinds,
                merges=spec.merges,
                scores=spec.scores,
                pieces=spec.pieces,
                ignore_merges=spec.ignore_merges,
                unknown=spec.unknown_id,
                space_prefix=spec.space_prefix,
            )
        except TypeError:  # the one way left in which a str is no text: half a surrogate pair
            raise WeightsError("the vocabulary is damaged: a token or merge is not valid Unicode") from None
        except ValueError as error:
            raise WeightsError(f"the vocabulary is damaged: {error}") from None
        self.vocab_size = len(spec.tokens)
        self.bos_id = spec.bos_id
        self.eos_id = spec.eos_id
        self.add_bos = spec.bos_id is not None and spec.bos_id in spec.prefix_ids
        self.special_tokens = self._of_kind(spec, TokenKind.CONTROL)
        """Text -> id of the tokens that steer the model, without the user-defined ones, which are ordinary words."""
        self.adds_space = spec.space_prefix != "none"
        self._prefix = np.array(spec.prefix_ids, dtype=np.int32)
        self._suffix = np.array(spec.suffix_ids, dtype=np.int32)
        self._nfc = spec.nfc
        self._user_tokens = self._of_kind(spec, TokenKind.USER) if spec.nfc else {}

    @classmethod
    def from_gguf(cls, metadata: Mapping[str, Any]) -> Tokenizer:
        """metadata: GGUF's keys and values. Raises WeightsError."""
        return cls(read_gguf_tokenizer(metadata))

    @classmethod
    def from_file(cls, path: Path, config: Mapping[str, Any] | None = None) -> Tokenizer:
        """path: a tokenizer.json; config: what tokenizer_config.json beside it says. Raises WeightsError."""
        return cls(read_json_tokenizer(path, config or {}))

    @staticmethod
    def _of_kind(spec: TokenizerSpec, kind: TokenKind) -> dict[str, int]:
        ids = np.flatnonzero(np.frombuffer(spec.kinds, dtype=np.uint8) == kind)
        return {spec.tokens[token]: token for token in ids.tolist()}

    def encode(
        self, text: str, *, add_special: bool = False, parse_special: bool = False, continues: bool = False
    ) -> list[int]:
        """As encode_array, as a list."""
        array = self.encode_array(text, add_special=add_special, parse_special=parse_special, continues=continues)
        ids: list[int] = array.tolist()
        return ids

    def encode_array(
        self, text: str, *, add_special: bool = False, parse_special: bool = False, continues: bool = False
    ) -> NDArray[np.int32]:  # [tokens]
        """add_special: put BOS and EOS around it, where the model wants them. parse_special: take the text of special
        tokens for those tokens. continues: it follows a special token, so it does not begin a text (SentencePiece).
        Raises RequestError for a text with half a surrogate pair, which UTF-8 cannot hold.
        """
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise RequestError(
                f"The text is not valid Unicode: half a surrogate pair at index {error.start}."
            ) from None
        if self._nfc and not unicodedata.is_normalized("NFC", text):
            ids = self._encode_normalized(text, parse_special)
        else:
            ids = self._bpe.encode(data, parse_special, continues)
        if add_special and len(self._prefix) + len(self._suffix):
            return np.concatenate([self._prefix, ids, self._suffix])
        return ids

    def _encode_normalized(self, text: str, parse_special: bool) -> NDArray[np.int32]:
        """Normalize what lies between special tokens: a combining mark must not take a token's last letter away."""
        whole = self._user_tokens | (self.special_tokens if parse_special else {})
        longest_first = sorted(whole, key=len, reverse=True)
        parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", text) if whole else [text]
        ids = [np.zeros(0, dtype=np.int32)]
        for index, part in enumerate(parts):
            if index % 2:
                ids.append(np.array([whole[part]], dtype=np.int32))
            elif part:
                ids.append(self._bpe.encode(unicodedata.normalize("NFC", part).encode(), False))
        return np.concatenate(ids)

    def decode(self, ids: Sequence[int] | NDArray[np.int32], *, skip_special: bool = False) -> str:
        """Bytes that are not UTF-8 become U+FFFD. The space that SentencePiece puts before a text is taken away."""
        array = np.asarray(ids, dtype=np.int64)
        if array.size and array.min() < 0:
            raise RequestError(f"{array.min()} is not a token.")
        known = array[array < self.vocab_size].astype(np.int32)
        text: str = self._bpe.decode(known, skip_special).decode("utf-8", "replace")
        return text.removeprefix(" ") if self.adds_space else text

    def stream_decoder(self, *, skip_special: bool = True, strip_space: bool = False) -> StreamDecoder:
        """For a text that is being written. strip_space: it continues no prompt, so a space before it is not meant."""
        hidden = frozenset(self.special_tokens.values()) if skip_special else frozenset()
        return StreamDecoder(self.token_bytes, hidden=hidden, strip_space=strip_space)

    def token_bytes(self, token: int) -> bytes:
        """The token's own bytes, which may be part of a character.

        Empty for ids past the vocabulary: models have rows of padding there. Raises RequestError for negative ids.
        """
        if token < 0:
            raise RequestError(f"{token} is not a token.")
        return self._bpe.token_bytes(token) if token < self.vocab_size else b""

    @cached_property
    def byte_lengths(self) -> NDArray[np.int64]:  # [vocab_size]
        """Bytes of each token."""
        return np.fromiter((len(self._bpe.token_bytes(token)) for token in range(self.vocab_size)), dtype=np.int64)

    def special_id(self, text: str) -> int | None:
        """The id of a special token, None if this vocabulary does not have it."""
        return self.special_tokens.get(text)
