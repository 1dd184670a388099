"""A model file to a model that runs: open, check, pack into the core, let the file go.

The top of the weights package: what the engine, the server and the commands call. Which files there are and what they
mean is decided below (model_files, architectures, gguf, safetensors); how a weight is packed is decided in the core.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from spatz import _core
from spatz.errors import ConfigError, WeightsError
from spatz.weights.architectures import Decoder
from spatz.weights.manifest import Manifest, read_manifest
from spatz.weights.model_files import END_OF_TURN, ModelFiles, open_model
from spatz.weights.tensors import Tensor, TensorSource
from spatz.weights.tokenizer import Tokenizer
from spatz.weights.vision import Tower

__all__ = ["FORMATS", "LoadedModel", "LoadedTower", "ModelCard", "load_model"]

FORMATS = ("q4", "q8", "bf16")

_SAMPLE_BYTES = 64  # of each tensor, for the fingerprint


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What there is to say about a model."""

    name: str  # in the API, e.g. "smollm2-135m-instruct"
    path: Path
    architecture: str  # "llama", "gemma3", ...
    context_length: int  # tokens that it was trained on
    parameters: int
    format: str  # how it is computed and how it was stored, e.g. "q4+q8 (Q4_1+Q8_0)"
    licence: str | None
    created: int  # when the file was made, in seconds since 1970
    fingerprint: str  # "fp_...": the same for the same weights in the same format
    digest: str  # in hex: of all that the fingerprint is of, and of the files' sizes and times; for what outlives us


@dataclass(frozen=True, slots=True)
class LoadedTower:
    """What a model sees with."""

    tower: Tower
    core: _core.VisionModel
    sample: str  # names its weights


@dataclass(frozen=True, slots=True)
class LoadedModel:
    card: ModelCard
    core: _core.Model
    tokenizer: Tokenizer
    chat_template: str | None  # None: a base model, which knows no turns
    eos_ids: frozenset[int]  # tokens that end an answer
    decoder: Decoder  # what the files say of its shape
    vocab: int  # rows of logits: the tokenizer's tokens, and padding in some models
    tower: LoadedTower | None = None  # None: it does not see

    def kv_kind(self, wanted: str = "auto") -> str:
        """The format of the KV cache. "auto": as exact as the weights, so bf16 only where nothing is quantized."""
        if wanted != "auto":
            return wanted
        return "bf16" if all(kind == "bf16" or not size for kind, size in self.core.formats.items()) else "int8"


def load_model(
    path: Path, context: _core.Context, *, format: str | None = None, mmproj: Path | None = None
) -> LoadedModel:
    """Load a GGUF file or a folder with safetensors. mmproj: as open_model has it.

    format: "q4", "q8" or "bf16" for all matrices; None or "" takes for each what belongs to its stored type. The files
    are closed again afterwards. Raises WeightsError for files that are damaged or not supported, ConfigError for an
    unknown format.
    """
    if format and format not in FORMATS:
        raise ConfigError(f"the format {format!r} is unknown ({', '.join(FORMATS)} are possible)")
    files = open_model(path, mmproj)
    try:
        manifest = read_manifest(files.path)
        sample = _sample(files, format)
        with ThreadPoolExecutor(1) as helper:  # packing holds no GIL, so the tokenizer is made meanwhile
            making = helper.submit(files.tokenizer)
            core = _pack(files, context, format or "")
            tower = _pack_tower(files, context, format or "")
            tokenizer = making.result()
        rows = files.plan.decoder.vocab
        if tokenizer.vocab_size > rows:
            raise WeightsError(f"{files.path.name}: the tokenizer has {tokenizer.vocab_size} tokens, the model {rows}")
        card = _card(files, manifest, core, sample)
    finally:
        files.close()
    template = manifest.chat_template or files.chat_template
    return LoadedModel(
        card, core, tokenizer, template, _eos_ids(files, tokenizer), files.plan.decoder, files.plan.decoder.vocab, tower
    )


def _pack(files: ModelFiles, context: _core.Context, format: str) -> _core.Model:
    doing = "the configuration"
    try:
        model = _core.Model(context, core_config(files.plan.decoder))
        add = files.plan.decoder.norm_add
        for target, tensor in files.plan.tensors.items():
            doing = f"tensor {tensor.name}"
            vector = len(tensor.shape) == 1
            model.set_tensor(
                target,
                tensor.dtype,
                tensor.shape,
                files.source.view(tensor),
                format="" if vector else format,
                add=add if target.endswith("norm") else 0.0,
            )
            files.source.drop(tensor)  # one tensor at a time is resident twice, not the whole model
        doing = "the whole model"
        model.finish()
    except ValueError as error:
        raise WeightsError(f"{files.path.name}: {doing} does not fit: {error}") from None
    except MemoryError:
        raise WeightsError(f"{files.path.name}: there is not enough memory for {doing}") from None
    return model


def _pack_tower(files: ModelFiles, context: _core.Context, format: str) -> LoadedTower | None:
    plan, source = files.tower, files.tower_source
    if plan is None or source is None:
        return None
    sample = _sample_of(plan.tensors, source, f"{format}\n{plan.tower}\n")
    doing = "the vision tower's configuration"
    try:
        model = _core.VisionModel(context, _vision_config(plan.tower))
        shapes = plan.tower.shapes()
        for target, tensor in plan.tensors.items():
            doing = f"tensor {tensor.name}"
            kind = "" if len(shapes[target]) == 1 else _tower_format(format)
            model.set_tensor(target, tensor.dtype, shapes[target], source.view(tensor), format=kind)
            source.drop(tensor)
        doing = "the whole vision tower"
        model.finish()
    except ValueError as error:
        raise WeightsError(f"{files.path.name}: {doing} does not fit: {error}") from None
    except MemoryError:
        raise WeightsError(f"{files.path.name}: there is not enough memory for {doing}") from None
    return LoadedTower(plan.tower, model, sample)


def _tower_format(format: str) -> str:
    """Four bits are too few for what an image is told by: eight, as the files of towers have them."""
    return "q8" if format == "q4" else format


def _vision_config(tower: Tower) -> _core.VisionConfig:
    config = _core.VisionConfig()
    config.patch = tower.patch
    config.positions = tower.side * tower.side
    config.hidden = tower.hidden
    config.intermediate = tower.intermediate
    config.layers = tower.layers
    config.heads = tower.heads
    config.norm_eps = tower.norm_eps
    config.shuffle = tower.shuffle
    config.text_hidden = tower.text_hidden
    return config


def core_config(decoder: Decoder) -> _core.ModelConfig:
    """The same in the core's type."""
    config = _core.ModelConfig()
    config.vocab = decoder.vocab
    config.hidden = decoder.hidden
    config.intermediate = decoder.intermediate
    config.layers = decoder.layers
    config.heads = decoder.heads
    config.kv_heads = decoder.kv_heads
    config.head_dim = decoder.head_dim
    config.norm_eps = decoder.norm_eps
    config.embedding_scale = decoder.embedding_scale
    config.query_scale = decoder.query_scale
    config.activation = decoder.activation
    config.rope_interleaved = decoder.rope_interleaved
    config.rope_dims = decoder.rope_dims
    config.rope_theta = list(decoder.rope_theta)
    config.rope_scaled = list(decoder.rope_scaled)
    config.rope_scaling = _core.RopeScaling(
        kind=decoder.rope.kind,
        factor=decoder.rope.factor,
        low_freq_factor=decoder.rope.low_freq_factor,
        high_freq_factor=decoder.rope.high_freq_factor,
        original_context=decoder.rope.original_context,
        factors=decoder.rope.factors,
    )
    config.window = list(decoder.window)
    return config


def _card(files: ModelFiles, manifest: Manifest, core: _core.Model, sample: str) -> ModelCard:
    stored: Counter[str] = Counter()
    for tensor in files.plan.tensors.values():
        if len(tensor.shape) > 1:
            stored[tensor.dtype] += tensor.nbytes
    computed = sorted((kind for kind, size in core.formats.items() if size), key=core.formats.__getitem__, reverse=True)
    main = files.path if files.path.is_file() else files.path / "config.json"
    return ModelCard(
        name=manifest.name or _name(files.path),
        path=files.path,
        architecture=files.plan.decoder.architecture,
        context_length=files.plan.decoder.context_length,
        parameters=files.plan.parameters,
        format=f"{'+'.join(computed)} ({'+'.join(kind for kind, _ in stored.most_common())})",
        licence=manifest.licence or files.licence,
        created=int(main.stat().st_mtime),
        fingerprint=f"fp_{sample[:12]}",
        digest=_digest(files.path, sample),
    )


def _name(path: Path) -> str:
    """A name for the API out of a file's or folder's name."""
    name = path.resolve().name.removesuffix(".gguf")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:200].strip("-.") or "model"


def _sample(files: ModelFiles, format: str | None) -> str:
    """A hash of the tensors' descriptions and of a sample of each: a few hundred pages instead of the whole file."""
    return _sample_of(files.plan.tensors, files.source, f"{format or ''}\n{files.plan.decoder}\n")


def _sample_of(tensors: Mapping[str, Tensor], source: TensorSource, described: str) -> str:
    digest = hashlib.sha256(described.encode())
    for target, tensor in tensors.items():
        middle = max(0, tensor.nbytes // 2 - _SAMPLE_BYTES)
        digest.update(f"{target} {tensor.dtype} {tensor.shape}\n".encode())
        digest.update(source.view(tensor)[middle : middle + _SAMPLE_BYTES].tobytes())
    return digest.hexdigest()


def _digest(path: Path, sample: str) -> str:
    """A sample does not see every change, so a file that was written again counts as another one."""
    digest = hashlib.sha256(sample.encode())
    for part in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
        status = part.stat()
        digest.update(f"\n{part.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _eos_ids(files: ModelFiles, tokenizer: Tokenizer) -> frozenset[int]:
    """The end tokens that the files name, and the well-known ones that are special tokens of this vocabulary."""
    known = {tokenizer.eos_id, *(tokenizer.special_id(text) for text in END_OF_TURN)}
    return files.eos_ids | {token for token in known if token is not None}
