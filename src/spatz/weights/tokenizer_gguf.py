"""The tokenizer in the metadata of a GGUF file.

Two models: "gpt2" (byte-level, ranked merges, a named pre-tokenizer) and "llama" (SentencePiece with scores). Defaults
for missing keys are those of GGUF's reference implementation. A pre-tokenizer that is not known is refused: a
near miss would give other tokens than the model was trained on, and nobody would notice.

Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#ggml
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from spatz.errors import WeightsError
from spatz.weights.tokenizer_spec import Pieces, TokenizerSpec, TokenKind

__all__ = ["read_gguf_tokenizer"]

_T = TypeVar("_T")


class _Pre(NamedTuple):
    pieces: Pieces
    ignore_merges: bool = False
    add_bos: bool = False
    nfc: bool = False


_LLAMA3 = _Pre("llama3", ignore_merges=True, add_bos=True)
_PRE: dict[str, _Pre] = {
    "default": _Pre("default"),
    "gpt-2": _Pre("gpt2"),
    "smollm": _Pre("smollm"),
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "qwen2": _Pre("qwen2", nfc=True),
    "deepseek-r1-qwen": _Pre("qwen2", nfc=True),
}

_KINDS = {  # GGUF's token types
    1: TokenKind.NORMAL,
    2: TokenKind.NEVER,  # unknown
    3: TokenKind.CONTROL,
    4: TokenKind.USER,
    5: TokenKind.NEVER,  # unused
    6: TokenKind.BYTE,
}


def read_gguf_tokenizer(metadata: Mapping[str, Any]) -> TokenizerSpec:
    """Raises WeightsError for what is missing, of a wrong type, or not supported."""
    model = _typed(metadata, "model", str)
    tokens = _strings(metadata, "tokens")
    if model == "gpt2":
        pre_name = _typed(metadata, "pre", str)
        if pre_name not in _PRE:
            raise WeightsError(f"the pre-tokenizer {pre_name[:80]!r} is not supported ({', '.join(_PRE)} are)")
        pre = _PRE[pre_name]
        kinds = _kinds(metadata, len(tokens)).replace(bytes([TokenKind.BYTE]), bytes([TokenKind.NORMAL]))
        prefix, suffix = _around(metadata, len(tokens), add_bos=pre.add_bos)
        return TokenizerSpec(
            pieces=pre.pieces,
            tokens=tokens,
            kinds=kinds,
            merges=_strings(metadata, "merges"),
            ignore_merges=pre.ignore_merges,
            nfc=pre.nfc,
            bos_id=_id(metadata, "bos", len(tokens)),
            eos_id=_id(metadata, "eos", len(tokens)),
            prefix_ids=prefix,
            suffix_ids=suffix,
        )
    if model == "llama":
        prefix, suffix = _around(metadata, len(tokens), add_bos=True)
        return TokenizerSpec(
            pieces="sentencepiece",
            tokens=tokens,
            kinds=_kinds(metadata, len(tokens)),
            scores=_numbers(metadata, "scores", len(tokens)).astype(np.float32).tolist(),
            space_prefix="every" if _flag(metadata, "add_space_prefix", True) else "none",
            bos_id=_id(metadata, "bos", len(tokens)),
            eos_id=_id(metadata, "eos", len(tokens)),
            prefix_ids=prefix,
            suffix_ids=suffix,
        )
    raise WeightsError(f"the tokenizer model {model[:80]!r} is not supported (gpt2 and llama are)")


def _key(name: str) -> str:
    return f"tokenizer.ggml.{name}"


def _typed(metadata: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    value = metadata.get(_key(name))
    if value is None:
        raise WeightsError(f"{_key(name)} is missing")
    if not isinstance(value, kind):
        raise WeightsError(f"{_key(name)} is not of the type {kind.__name__}")
    return value


def _strings(metadata: Mapping[str, Any], name: str) -> list[str]:
    value = _typed(metadata, name, list)
    if not all(isinstance(item, str) for item in value):
        raise WeightsError(f"{_key(name)} holds other things than strings")
    return value


def _numbers(metadata: Mapping[str, Any], name: str, count: int) -> np.ndarray[Any, Any]:
    value = np.asarray(metadata.get(_key(name), ()))
    if value.shape != (count,) or value.dtype.kind not in "iuf":
        raise WeightsError(f"{_key(name)} is not one number for each of the {count} tokens")
    return value


def _kinds(metadata: Mapping[str, Any], count: int) -> bytes:
    if _key("token_type") not in metadata:
        # Without types the only special tokens that are known are those that the file names.
        kinds = bytearray([TokenKind.NORMAL]) * count
        for name in ("bos", "eos", "eot", "eom"):
            token = _id(metadata, name, count)
            if token is not None:
                kinds[token] = TokenKind.CONTROL
        return bytes(kinds)
    types = _numbers(metadata, "token_type", count)
    known = np.full(7, 255, dtype=np.uint8)
    known[list(_KINDS)] = list(_KINDS.values())
    if count and (types.dtype.kind == "f" or types.min() < 0 or types.max() > 6 or (known[types] == 255).any()):
        raise WeightsError(f"{_key('token_type')} holds an unknown type")
    return bytes(known[types])


def _flag(metadata: Mapping[str, Any], name: str, default: bool) -> bool:
    return _typed(metadata, name, bool) if _key(name) in metadata else default


def _id(metadata: Mapping[str, Any], name: str, count: int) -> int | None:
    key = f"{name}_token_id"
    if _key(key) not in metadata:
        return None
    value = _typed(metadata, key, int)
    if not 0 <= value < count:
        raise WeightsError(f"{_key(key)} is {value}, but there are {count} tokens")
    return value


def _around(metadata: Mapping[str, Any], count: int, *, add_bos: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What goes before and after a text: BOS and EOS, where the file wants them."""
    around: list[tuple[int, ...]] = []
    for name, default in (("bos", add_bos), ("eos", False)):
        wanted = _flag(metadata, f"add_{name}_token", default)
        token = _id(metadata, name, count)
        if wanted and token is None:
            raise WeightsError(f"the tokenizer adds a {name} token, but {_key(f'{name}_token_id')} is missing")
        around.append((token,) if wanted and token is not None else ())
    return around[0], around[1]
