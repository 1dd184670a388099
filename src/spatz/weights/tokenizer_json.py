"""The tokenizer in a tokenizer.json file, as the `tokenizers` package writes it.

Such a file describes a pipeline (normalizer, pre-tokenizer, model, post-processor). The pipelines of the supported
families are recognized as a whole and mapped onto the core's; any other is refused by name, since leaving out one step
would silently give other tokens than the model was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatz.errors import WeightsError
from spatz.weights.jsonfile import parse_object, read_bytes
from spatz.weights.tokenizer_spec import Pieces, SpacePrefix, TokenizerSpec, TokenKind

__all__ = ["read_json_tokenizer"]

_MAX_BYTES = 64 << 20  # Gemma's has 33 MB
_MAX_TOKENS = 4 << 20
_SPACE = "\u2581"

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_PATTERNS: dict[str, Pieces] = {
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_REST}": "llama3",
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_REST}": "qwen2",
}


@dataclass(slots=True)
class _Pipeline:
    pieces: Pieces
    nfc: bool = False
    space_prefix: SpacePrefix = "none"


def read_json_tokenizer(path: Path, config: Mapping[str, Any]) -> TokenizerSpec:
    """config: tokenizer_config.json, for the names of BOS and EOS. Raises WeightsError."""
    file = parse_object(read_bytes(path, _MAX_BYTES), path.name)
    try:
        return _read(file, config)
    except WeightsError as error:
        raise WeightsError(f"{path.name}: {error}") from None


def _read(file: dict[str, Any], config: Mapping[str, Any]) -> TokenizerSpec:
    model = _object(file, "model")
    if model.get("type", "BPE") != "BPE":
        raise WeightsError(f"the model {_short(model.get('type'))} is not supported (BPE is)")
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise WeightsError(f"{key} in the model is not supported")
    pipeline = _pipeline(_steps(file, "normalizer", "normalizers"), _steps(file, "pre_tokenizer", "pretokenizers"))
    if bool(model.get("byte_fallback")) != (pipeline.pieces == "sentencepiece"):
        raise WeightsError("byte_fallback does not fit the pre-tokenizer")
    tokens, kinds = _vocabulary(file, model, pipeline)
    ids = {token: index for index, token in enumerate(tokens) if token}
    prefix, suffix = _around(file, ids)
    named = {name: _named_id(config, name, ids) for name in ("bos_token", "eos_token")}
    bos = named["bos_token"]
    add_bos = config.get("add_bos_token")
    if bos is not None and isinstance(add_bos, bool) and add_bos != (bos in prefix):
        prefix = (bos, *prefix) if add_bos else tuple(token for token in prefix if token != bos)
    return TokenizerSpec(
        pieces=pipeline.pieces,
        tokens=tokens,
        kinds=bytes(kinds),
        merges=_merges(model),
        ignore_merges=model.get("ignore_merges") is True,
        unknown_id=_unknown(model, ids, pipeline),
        space_prefix=pipeline.space_prefix,
        nfc=pipeline.nfc,
        bos_id=bos if bos is not None else (prefix[0] if prefix else None),
        eos_id=named["eos_token"],
        prefix_ids=prefix,
        suffix_ids=suffix,
    )


def _short(value: object) -> str:
    return repr(value)[:100]


def _object(file: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = file.get(key)
    if not isinstance(value, dict):
        raise WeightsError(f"{key} is missing or not an object")
    return value


def _list(file: Mapping[str, Any], key: str) -> list[Any]:
    value = file.get(key) or []
    if not isinstance(value, list):
        raise WeightsError(f"{key} is not a list")
    return value


def _steps(file: Mapping[str, Any], key: str, inner: str) -> list[dict[str, Any]]:
    """A step, or the steps of a sequence; none if the file has null."""
    if file.get(key) is None:
        return []
    step = _object(file, key)
    steps = _list(step, inner) if step.get("type") == "Sequence" else [step]
    if not all(isinstance(item, dict) for item in steps):
        raise WeightsError(f"{key} holds other things than objects")
    return steps


def _is(step: Mapping[str, Any], kind: str, **fields: object) -> bool:
    return step.get("type") == kind and all(step.get(key) == value for key, value in fields.items())


def _is_byte_level(step: Mapping[str, Any], *, use_regex: bool) -> bool:
    # Files that are older than the switch have none, and mean true.
    return _is(step, "ByteLevel", add_prefix_space=False) and step.get("use_regex", True) is use_regex


def _pipeline(normalizers: list[dict[str, Any]], pre: list[dict[str, Any]]) -> _Pipeline:
    pieces: Pieces | None = None
    if len(pre) == 1 and _is_byte_level(pre[0], use_regex=True):
        pieces = "gpt2"
    elif len(pre) == 2 and _is(pre[0], "Digits", individual_digits=True) and _is_byte_level(pre[1], use_regex=True):
        pieces = "smollm"
    elif len(pre) == 2 and _is(pre[0], "Split", behavior="Isolated") and _is_byte_level(pre[1], use_regex=False):
        pattern = pre[0].get("pattern")
        regex = pattern.get("Regex") if isinstance(pattern, dict) else None
        pieces = _PATTERNS.get(regex) if isinstance(regex, str) and not pre[0].get("invert") else None
    if pieces is not None:
        if not normalizers:
            return _Pipeline(pieces)
        if len(normalizers) == 1 and _is(normalizers[0], "NFC"):
            return _Pipeline(pieces, nfc=True)
        raise WeightsError(f"the normalizer {_short(normalizers)} is not supported")
    prefix = _sentencepiece(normalizers, pre)
    if prefix is None:
        raise WeightsError(
            f"the pre-tokenizer {_short(pre)} with the normalizer {_short(normalizers)} is not supported"
        )
    return _Pipeline("sentencepiece", space_prefix=prefix)


def _sentencepiece(normalizers: list[dict[str, Any]], pre: list[dict[str, Any]]) -> SpacePrefix | None:
    """The ways of writing "spaces become U+2581, and there is no cutting"; None if it is none of them."""
    prepends = bool(normalizers) and _is(normalizers[0], "Prepend", prepend=_SPACE)
    rest = normalizers[1:] if prepends else normalizers
    replaces = len(rest) == 1 and _is(rest[0], "Replace", pattern={"String": " "}, content=_SPACE)
    if replaces:
        # Gemma's file also cuts at spaces, of which none are left by then.
        if not pre or (len(pre) == 1 and _is(pre[0], "Split", pattern={"String": " "})):
            return "every" if prepends else "none"
        return None
    if normalizers or len(pre) != 1 or not _is(pre[0], "Metaspace", replacement=_SPACE, split=False):
        return None
    schemes: dict[object, SpacePrefix] = {
        "always": "every_unless_space",
        "first": "first_unless_space",
        "never": "none",
    }
    return schemes.get(pre[0].get("prepend_scheme", "always"))


def _vocabulary(file: dict[str, Any], model: dict[str, Any], pipeline: _Pipeline) -> tuple[list[str], bytearray]:
    entries = list(_object(model, "vocab").items())
    added = _list(file, "added_tokens")
    for token in added:
        if not isinstance(token, dict) or not isinstance(token.get("content"), str) or not token["content"]:
            raise WeightsError("an added token has no content")
        for key in ("lstrip", "rstrip", "single_word"):
            if token.get(key):
                raise WeightsError(f"{key} of the added token {_short(token['content'])} is not supported")
        if token.get("normalized") and pipeline.pieces == "sentencepiece" and _SPACE in token["content"]:
            raise WeightsError(f"normalizing the added token {_short(token['content'])} is not supported")
    every = [*entries, *((token["content"], token.get("id")) for token in added)]
    for text, index in every:
        if type(index) is not int or not 0 <= index < _MAX_TOKENS:
            raise WeightsError(f"the token {_short(text)} has the id {_short(index)}")
    if not every:
        raise WeightsError("the vocabulary is empty")
    count = max(index for _, index in every) + 1
    if count > 2 * len(every) + 65_536:
        raise WeightsError(f"the highest id is {count - 1}, but there are {len(every)} tokens")
    tokens = [""] * count
    kinds = bytearray([TokenKind.NEVER]) * count
    for text, index in every:
        if tokens[index] not in ("", text):
            raise WeightsError(f"the tokens {_short(tokens[index])} and {_short(text)} have the same id {index}")
        tokens[index] = text
    for _, index in entries:
        kinds[index] = TokenKind.NORMAL
    if pipeline.pieces == "sentencepiece":
        for byte in range(256):
            index = model["vocab"].get(f"<0x{byte:02X}>")
            if index is not None:
                kinds[index] = TokenKind.BYTE
    for token in added:
        kinds[token["id"]] = TokenKind.CONTROL if token.get("special") else TokenKind.USER
    return tokens, kinds


def _merges(model: dict[str, Any]) -> list[str]:
    """As "left right". Newer files have pairs, older ones have text."""
    merges = _list(model, "merges")
    joined = [f"{item[0]} {item[1]}" if isinstance(item, list) and len(item) == 2 else item for item in merges]
    if not all(isinstance(item, str) for item in joined):
        raise WeightsError("a merge is not two tokens")
    return joined


def _unknown(model: dict[str, Any], ids: Mapping[str, int], pipeline: _Pipeline) -> int:
    unknown = model.get("unk_token")
    if unknown is None or pipeline.pieces == "sentencepiece":  # there bytes stand for what has no token
        return -1
    if not isinstance(unknown, str) or (unknown and unknown not in ids):
        raise WeightsError(f"the unknown token {_short(unknown)} is not in the vocabulary")
    return ids.get(unknown, -1)


def _named_id(config: Mapping[str, Any], name: str, ids: Mapping[str, int]) -> int | None:
    value = config.get(name)
    text = value.get("content") if isinstance(value, dict) else value
    if text is None:
        return None
    if not isinstance(text, str) or text not in ids:
        raise WeightsError(f"{name} in tokenizer_config.json is {_short(text)}, which is no token")
    return ids[text]


def _around(file: dict[str, Any], ids: Mapping[str, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the post-processor puts before and after a single text."""
    before: list[int] = []
    after: list[int] = []
    for step in _steps(file, "post_processor", "processors"):
        if _is(step, "ByteLevel"):  # offsets only
            continue
        if not _is(step, "TemplateProcessing"):
            raise WeightsError(f"the post-processor {_short(step.get('type'))} is not supported")
        target = before
        for part in _list(step, "single"):
            if isinstance(part, dict) and "Sequence" in part:
                target = after
            else:
                target.extend(_special_ids(step, part, ids))
    return tuple(before), tuple(after)


def _special_ids(step: dict[str, Any], part: Any, ids: Mapping[str, int]) -> Iterator[int]:
    special = part.get("SpecialToken") if isinstance(part, dict) else None
    name = special.get("id") if isinstance(special, dict) else None
    entry = (step.get("special_tokens") or {}).get(name) if isinstance(name, str) else None
    found = entry.get("ids") if isinstance(entry, dict) else None
    if not isinstance(found, list) or not all(type(index) is int and index in ids.values() for index in found):
        raise WeightsError(f"the post-processor names the unknown token {_short(name)}")
    yield from found
