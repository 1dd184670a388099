"""The vision tower that a model file describes: SigLIP's encoder, pixel shuffle and connector of Idefics3 and SmolVLM.

Beside architectures.py, which has the decoder. A folder keeps the tower among the decoder's safetensors and says in
preprocessor_config.json how images are cut; for a GGUF model it is a second file, "mmproj", whose architecture is
"clip". Names of tensors and keys are those of the reference implementations (transformers, llama.cpp's gguf package).
Everything is bounded here, before anything is allocated for it. It holds no weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatz.errors import WeightsError
from spatz.weights.architectures import MAX_HIDDEN, MAX_INTERMEDIATE, MAX_LAYERS, bounded
from spatz.weights.gguf import GGUFFile
from spatz.weights.tensors import Tensor

__all__ = ["HF_KINDS", "Tower", "TowerPlan", "is_vision_tensor", "plan_mmproj", "plan_tower"]

HF_KINDS = ("idefics3", "smolvlm")
"""Model types of config.json whose decoder is in text_config and whose tower is described here."""

_MAX_SIDE = 8192  # pixels
_MAX_TILES = 6  # in a row or column: there are no marks for more
_HF_PARTS = ("model.vision_model.", "model.connector.")
_HF_NAMES = {
    "patch": "embeddings.patch_embedding.weight",
    "patch_bias": "embeddings.patch_embedding.bias",
    "positions": "embeddings.position_embedding.weight",
    "post_norm": "post_layernorm.weight",
    "post_norm_bias": "post_layernorm.bias",
}
_HF_CONNECTOR = "model.connector.modality_projection.proj.weight"
_HF_LAYER = {
    "attn_norm": "layer_norm1",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_out": "self_attn.out_proj",
    "ffn_norm": "layer_norm2",
    "ffn_up": "mlp.fc1",
    "ffn_down": "mlp.fc2",
}
_GGUF_NAMES = {
    "patch": "v.patch_embd.weight",
    "patch_bias": "v.patch_embd.bias",
    "positions": "v.position_embd.weight",
    "post_norm": "v.post_ln.weight",
    "post_norm_bias": "v.post_ln.bias",
    "connector": "mm.model.fc.weight",
}
_GGUF_LAYER = {
    "attn_norm": "ln1",
    "attn_q": "attn_q",
    "attn_k": "attn_k",
    "attn_v": "attn_v",
    "attn_out": "attn_out",
    "ffn_norm": "ln2",
    "ffn_up": "ffn_up",
    "ffn_down": "ffn_down",
}
_VISION = {  # of transformers' Idefics3VisionConfig
    "hidden_size": 1152,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 16,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 32,
    "layer_norm_eps": 1e-6,
}
_HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Tower:
    """The core's VisionConfig in plain numbers, and how an image is cut for it."""

    patch: int  # pixels of a patch's side
    side: int  # patches of a side of the image that the position embeddings were made for
    hidden: int
    intermediate: int
    layers: int
    heads: int
    norm_eps: float
    shuffle: int  # patches of a side that become one token
    text_hidden: int
    tile: int  # pixels of a tile's side
    longest: int  # pixels of the longer side of an image that is cut into tiles
    splits: bool  # whether images are cut at all
    mean: tuple[float, ...] = _HALF  # of each colour
    std: tuple[float, ...] = _HALF

    def __post_init__(self) -> None:
        """Raise WeightsError for numbers that no tower has."""
        bounded("patch size", self.patch, 1, 256)
        bounded("number of patches of a side", self.side, 1, 1024)
        bounded("vision tower's hidden size", self.hidden, 1, MAX_HIDDEN)
        bounded("vision tower's feed-forward size", self.intermediate, 1, MAX_INTERMEDIATE)
        bounded("number of the vision tower's layers", self.layers, 1, MAX_LAYERS)
        bounded("number of the vision tower's heads", self.heads, 1, self.hidden)
        bounded("pixel shuffle's factor", self.shuffle, 1, 64)
        bounded("size of a tile", self.tile, 1, _MAX_SIDE)
        bounded("size of an image", self.longest, 1, _MAX_SIDE)
        if self.hidden % self.heads:
            raise WeightsError(f"the vision tower's hidden size {self.hidden} is no multiple of its {self.heads} heads")
        if self.tile % (self.patch * self.shuffle):
            raise WeightsError(f"a tile of {self.tile} pixels cannot be cut into squares of {self.shuffle} patches")
        if math.ceil(self.longest / self.tile) > _MAX_TILES:
            raise WeightsError(f"an image of {self.longest} pixels has more than {_MAX_TILES} tiles in a row")
        if not 0 < self.norm_eps < 1:
            raise WeightsError(f"the vision tower's norm epsilon is {self.norm_eps}")
        for values, low in ((self.mean, -10.0), (self.std, 1e-3)):
            if len(values) != 3 or not all(low <= value <= 10.0 for value in values):
                raise WeightsError("the mean or deviation of an image's colours are not three sane numbers")

    @property
    def tokens(self) -> int:
        """That a tile becomes."""
        return (self.tile // self.patch // self.shuffle) ** 2

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors that it must have, by their names in the core."""
        hidden, wide = (self.hidden,), (self.intermediate,)
        square = (self.hidden, self.hidden)
        layer: dict[str, tuple[int, ...]] = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), square)
        layer |= {"attn_norm": hidden, "ffn_norm": hidden}
        layer |= {"ffn_up": (*wide, *hidden), "ffn_down": (*hidden, *wide)}
        layer |= {f"{name}_bias": (shape[0],) for name, shape in layer.items()}
        return {
            "patch": (self.hidden, 3 * self.patch * self.patch),
            "patch_bias": hidden,
            "positions": (self.side * self.side, self.hidden),
            "post_norm": hidden,
            "post_norm_bias": hidden,
            "connector": (self.text_hidden, self.hidden * self.shuffle * self.shuffle),
        } | {f"layers.{i}.{name}": shape for i in range(self.layers) for name, shape in layer.items()}


@dataclass(frozen=True, slots=True)
class TowerPlan:
    """A tower and where each of its tensors lies."""

    tower: Tower
    tensors: Mapping[str, Tensor]  # by the name in the core


def is_vision_tensor(name: str) -> bool:
    """In a folder of one of HF_KINDS."""
    return name.startswith(_HF_PARTS)


def plan_tower(
    config: Mapping[str, Any], cutting: Mapping[str, Any], text_hidden: int, tensors: Mapping[str, Tensor]
) -> TowerPlan:
    """config: config.json, of one of HF_KINDS. cutting: preprocessor_config.json. Raises WeightsError."""
    own = config.get("vision_config")
    if not isinstance(own, Mapping):
        raise WeightsError("vision_config in config.json is not an object")
    values = _VISION | dict(own)
    act = values.get("hidden_act", "gelu_pytorch_tanh")
    if act != "gelu_pytorch_tanh":
        raise WeightsError(f"the vision tower's activation {str(act)[:40]!r} is not supported")
    if values["num_channels"] != 3:
        raise WeightsError("only vision towers for three colours are supported")
    patch, image = _whole(values["patch_size"], "patch_size"), _whole(values["image_size"], "image_size")
    bounded("patch size", patch, 1, 256)
    tile = _edge(cutting.get("max_image_size"), "max_image_size", image)
    tower = Tower(
        patch=patch,
        side=image // patch,
        hidden=_whole(values["hidden_size"], "hidden_size"),
        intermediate=_whole(values["intermediate_size"], "intermediate_size"),
        layers=_whole(values["num_hidden_layers"], "num_hidden_layers"),
        heads=_whole(values["num_attention_heads"], "num_attention_heads"),
        norm_eps=_real(values["layer_norm_eps"], "layer_norm_eps"),
        shuffle=_whole(config.get("scale_factor", 2), "scale_factor"),
        text_hidden=text_hidden,
        tile=tile,
        longest=_edge(cutting.get("size"), "size", 4 * tile),
        splits=cutting.get("do_image_splitting", True) is True,
        mean=_colours(cutting.get("image_mean")),
        std=_colours(cutting.get("image_std")),
    )
    names = {name: _HF_PARTS[0] + rest for name, rest in _HF_NAMES.items()} | {"connector": _HF_CONNECTOR}
    for i in range(tower.layers):
        for name, rest in _HF_LAYER.items():
            names[f"layers.{i}.{name}"] = f"{_HF_PARTS[0]}encoder.layers.{i}.{rest}.weight"
            names[f"layers.{i}.{name}_bias"] = f"{_HF_PARTS[0]}encoder.layers.{i}.{rest}.bias"
    return _matched(tower, names, {name: tensor for name, tensor in tensors.items() if is_vision_tensor(name)})


def plan_mmproj(file: GGUFFile, text_hidden: int) -> TowerPlan:
    """Raises WeightsError."""
    keys = file.metadata
    if keys.get("general.architecture") != "clip":
        raise WeightsError("this is no file with a vision tower (general.architecture is not clip)")
    kind = keys.get("clip.projector_type", keys.get("clip.vision.projector_type"))
    if kind != "idefics3":
        raise WeightsError(f"the vision projector {str(kind)[:40]!r} is not supported (idefics3 is)")
    if keys.get("clip.use_silu") is True:
        raise WeightsError("vision towers with SiLU are not supported")

    def whole(name: str, default: object = None) -> int:
        return _whole(keys.get(f"clip.vision.{name}", default), f"clip.vision.{name}")

    patch, tile = whole("patch_size"), whole("image_size")
    bounded("patch size", patch, 1, 256)
    longest = whole("preproc_image_size", tile)
    tower = Tower(
        patch=patch,
        side=tile // patch,
        hidden=whole("embedding_length"),
        intermediate=whole("feed_forward_length"),
        layers=whole("block_count"),
        heads=whole("attention.head_count"),
        norm_eps=_real(keys.get("clip.vision.attention.layer_norm_epsilon", 1e-6), "the norm epsilon"),
        shuffle=whole("projector.scale_factor"),
        text_hidden=text_hidden,
        tile=tile,
        longest=longest,
        splits=longest > tile,
        mean=_colours(keys.get("clip.vision.image_mean")),
        std=_colours(keys.get("clip.vision.image_std")),
    )
    names = dict(_GGUF_NAMES)
    for i in range(tower.layers):
        for name, rest in _GGUF_LAYER.items():
            names[f"layers.{i}.{name}"] = f"v.blk.{i}.{rest}.weight"
            names[f"layers.{i}.{name}_bias"] = f"v.blk.{i}.{rest}.bias"
    first = file.tensors.get("v.blk.0.ffn_down.bias")
    # Older files have up and down the other way round.
    if tower.hidden != tower.intermediate and first is not None and first.shape == (tower.intermediate,):
        for i in range(tower.layers):
            for end in ("", "_bias"):
                up, down = f"layers.{i}.ffn_up{end}", f"layers.{i}.ffn_down{end}"
                names[up], names[down] = names[down], names[up]
    return _matched(tower, names, file.tensors)


def _matched(tower: Tower, names: Mapping[str, str], tensors: Mapping[str, Tensor]) -> TowerPlan:
    found: dict[str, Tensor] = {}
    for target, shape in tower.shapes().items():
        tensor = tensors.get(names[target])
        if tensor is None:
            raise WeightsError(f"the tensor {names[target]} is missing")
        flat = (tensor.shape[0], math.prod(tensor.shape[1:])) if len(tensor.shape) > 2 else tensor.shape
        if flat != shape:
            raise WeightsError(f"tensor {tensor.name} has the shape {list(tensor.shape)}, not {list(shape)}")
        if len(shape) == 1 and tensor.dtype not in ("F32", "F16", "BF16"):
            raise WeightsError(f"tensor {tensor.name} is a vector of type {tensor.dtype}")
        found[target] = tensor
    extra = tensors.keys() - {tensor.name for tensor in found.values()}
    if extra:
        raise WeightsError(f"{len(extra)} tensors belong to nothing that vision towers have here, one is {min(extra)}")
    return TowerPlan(tower, found)


def _whole(value: object, name: str) -> int:
    if isinstance(value, list | tuple) and len(value) == 2 and value[0] == value[1]:
        value = value[0]  # height and width
    if type(value) is not int:
        raise WeightsError(f"{name} of the vision tower is missing or no whole number")
    return value


def _real(value: object, name: str) -> float:
    if type(value) not in (int, float):
        raise WeightsError(f"{name} of the vision tower is no number")
    return float(value)  # type: ignore[arg-type]


def _edge(value: object, name: str, default: int) -> int:
    if value is None:
        return default
    if not isinstance(value, Mapping) or type(value.get("longest_edge")) is not int:
        raise WeightsError(f"{name} in preprocessor_config.json has no longest_edge")
    edge: int = value["longest_edge"]
    return edge


def _colours(value: object) -> tuple[float, ...]:
    if value is None:
        return _HALF
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple) or not all(type(item) in (int, float) for item in value):
        raise WeightsError("the mean or deviation of an image's colours are no numbers")
    return tuple(map(float, value))
