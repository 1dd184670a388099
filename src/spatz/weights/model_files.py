"""An opened model, before its weights are packed: what it is, where its tensors lie, how its text is made and ended.

A GGUF file carries all of it; a folder has safetensors, config.json and the tokenizer's files beside them. `load` packs
what this describes; `pull` opens models with it to see whether they are whole. Nothing of the weights is decoded here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatz.errors import WeightsError
from spatz.weights.architectures import Plan
from spatz.weights.architectures_gguf import plan_gguf
from spatz.weights.architectures_hf import plan_hf
from spatz.weights.gguf import GGUFFile
from spatz.weights.jsonfile import read_bytes, read_object
from spatz.weights.safetensors import INDEX, SINGLE, SafetensorsFolder
from spatz.weights.tensors import TensorSource
from spatz.weights.tokenizer import Tokenizer
from spatz.weights.vision import HF_KINDS, TowerPlan, plan_mmproj, plan_tower

__all__ = ["ModelFiles", "find_weights", "open_model"]

END_OF_TURN = (
    "<|im_end|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|endoftext|>",
    "<|end_of_text|>",
)
"""Special tokens that end an answer wherever they occur, whether or not the file names them as its end token."""

_TOWER_FILES = "mmproj"  # how the names of files with a vision tower begin

_MAX_TEMPLATE_BYTES = 1 << 20
_MAX_EOS_IDS = 64


@dataclass
class ModelFiles:
    """Open files. Close them when the weights are packed."""

    path: Path
    source: TensorSource
    plan: Plan
    chat_template: str | None
    licence: str | None
    eos_ids: frozenset[int]  # as the files name them
    tokenizer: Callable[[], Tokenizer]
    tower: TowerPlan | None = None  # of a model that sees
    tower_source: TensorSource | None = None  # where the tower's tensors are

    def close(self) -> None:
        self.source.close()
        if self.tower_source is not None and self.tower_source is not self.source:
            self.tower_source.close()


def find_weights(path: Path) -> Path:
    """The GGUF file or the safetensors folder that path means: itself, or the only model in the folder."""
    if not path.is_dir():
        return path
    if (path / SINGLE).exists() or (path / INDEX).exists():
        return path
    files = sorted(file for file in path.glob("*.gguf") if not file.name.startswith(_TOWER_FILES))
    if not files:
        raise WeightsError(f"{path}: the folder holds neither {SINGLE} nor a GGUF file")
    if len(files) > 1:
        raise WeightsError(f"{path}: the folder holds {len(files)} GGUF files; name one of them")
    return files[0]


def open_model(path: Path, mmproj: Path | None = None) -> ModelFiles:
    """Open a GGUF file, or a folder with one or with safetensors. Raises WeightsError.

    mmproj: the GGUF file with the model's vision tower; None: the one beside the model, if there is one alone.
    """
    path = find_weights(path)
    try:
        if path.is_dir():
            if mmproj is not None:
                raise WeightsError("a folder with safetensors has its vision tower among them, not in an mmproj file")
            return _open_folder(path)
        return _open_gguf(path, mmproj or _tower_beside(path))
    except WeightsError as error:
        said = str(error)
        raise WeightsError(said if path.name in said else f"{path.name}: {said}") from None


def _tower_beside(path: Path) -> Path | None:
    found = sorted(path.parent.glob(f"{_TOWER_FILES}*.gguf"))
    return found[0] if len(found) == 1 else None


def _open_gguf(path: Path, mmproj: Path | None) -> ModelFiles:
    file = GGUFFile(path)
    tower_file: GGUFFile | None = None
    try:
        metadata = file.metadata
        template = metadata.get("tokenizer.chat_template")
        if template is not None and (not isinstance(template, str) or len(template) > _MAX_TEMPLATE_BYTES):
            raise WeightsError("tokenizer.chat_template is not a text of sane length")
        plan = plan_gguf(file)
        licence = metadata.get("general.license")
        ends = [metadata.get(f"tokenizer.ggml.{kind}_token_id") for kind in ("eos", "eot", "eom")]
        if mmproj is not None:
            tower_file = GGUFFile(mmproj)
        return ModelFiles(
            path=path,
            source=file,
            plan=plan,
            chat_template=template,
            licence=licence if isinstance(licence, str) else None,
            eos_ids=_ids(ends, plan.decoder.vocab, "an end token of the metadata"),
            tokenizer=lambda: Tokenizer.from_gguf(metadata),
            tower=None if tower_file is None else plan_mmproj(tower_file, plan.decoder.hidden),
            tower_source=tower_file,
        )
    except BaseException:
        file.close()
        if tower_file is not None:
            tower_file.close()
        raise


def _open_folder(folder: Path) -> ModelFiles:
    config = read_object(folder / "config.json")
    generation = _optional(folder / "generation_config.json")
    tokenizer_config = _optional(folder / "tokenizer_config.json")
    source = SafetensorsFolder(folder)
    try:
        plan = plan_hf(config, source.tensors)
        text = config.get("text_config")
        named = [config, text if isinstance(text, dict) else {}, generation]
        sees = config.get("model_type") in HF_KINDS
        tower = plan_tower(config, _cutting(folder), plan.decoder.hidden, source.tensors) if sees else None
        return ModelFiles(
            path=folder,
            source=source,
            plan=plan,
            chat_template=_chat_template(folder, tokenizer_config),
            licence=None,
            eos_ids=_ids([part.get("eos_token_id") for part in named], plan.decoder.vocab, "an eos_token_id"),
            tokenizer=lambda: Tokenizer.from_file(folder / "tokenizer.json", tokenizer_config),
            tower=tower,
            tower_source=source if sees else None,
        )
    except BaseException:
        source.close()
        raise


def _cutting(folder: Path) -> dict[str, Any]:
    """How images are cut, from either of the files that say so."""
    processor = _optional(folder / "processor_config.json").get("image_processor")
    return _optional(folder / "preprocessor_config.json") or (processor if isinstance(processor, dict) else {})


def _optional(path: Path) -> dict[str, Any]:
    return read_object(path) if path.exists() else {}


def _chat_template(folder: Path, tokenizer_config: dict[str, Any]) -> str | None:
    """From its own file, or from tokenizer_config.json: one text, or a list of named ones."""
    own = folder / "chat_template.jinja"
    if own.exists():
        try:
            return read_bytes(own, _MAX_TEMPLATE_BYTES).decode()
        except UnicodeDecodeError:
            raise WeightsError(f"{own.name} is not valid UTF-8") from None
    template = tokenizer_config.get("chat_template")
    if isinstance(template, list):
        named = [item for item in template if isinstance(item, dict) and item.get("name") == "default"]
        template = named[0].get("template") if named else None
    if template is not None and (not isinstance(template, str) or len(template) > _MAX_TEMPLATE_BYTES):
        raise WeightsError("chat_template in tokenizer_config.json is not a text of sane length")
    return template


def _ids(values: Iterable[object], vocab: int, what: str) -> frozenset[int]:
    """Token ids out of numbers and lists of numbers; None counts as nothing."""
    ids: set[int] = set()
    for value in values:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        for number in value if isinstance(value, list) else [value]:
            if number is None:
                continue
            if type(number) is not int or not 0 <= number < vocab:
                raise WeightsError(f"{what} is {str(number)[:40]!r}, which is no token of the {vocab}")
            ids.add(number)
            if len(ids) > _MAX_EOS_IDS:
                raise WeightsError(f"more than {_MAX_EOS_IDS} end tokens are named")
    return frozenset(ids)
