"""Tiny random Idefics3 vision towers with their connectors: transformers in float32 and the core, on every ISA.

Norms, biases and learned positions are random, as the weights are, which are stored in bf16. The bounds are those of
the tiny decoders (test_tiny_models.py) and for the same reasons: a product sees its input rounded to bf16, or to 8 bits
a block. An operator that is wrong is off by far more, which the last test but one shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spatz import _core

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

IMAGES = 2
TEXT_HIDDEN = 48

TOWERS: dict[str, dict[str, Any]] = {
    "base": {
        "hidden_size": 96,
        "intermediate_size": 176,  # no multiple of 32
        "num_attention_heads": 6,
        "image_size": 52,
        "patch_size": 4,
        "scale_factor": 1,
    },
    "several-pages": {  # of keys: 256 patches
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 4,
        "scale_factor": 4,
    },
    "so400m-like": {  # heads of 24 dimensions, patches of 27 values, pixels behind the last patch
        "hidden_size": 72,
        "intermediate_size": 100,
        "num_attention_heads": 3,
        "image_size": 29,
        "patch_size": 3,
        "scale_factor": 3,
    },
}


class Tower:
    """A tower and its connector, images with and without padding, and what transformers makes of them."""

    def __init__(self, name: str) -> None:
        from transformers.models.idefics3 import modeling_idefics3 as idefics3

        shape = dict(TOWERS[name])
        self.shuffle = shape.pop("scale_factor")
        self.vision = transformers.Idefics3VisionConfig(
            **shape, num_hidden_layers=3, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6
        )
        text = {"model_type": "llama", "hidden_size": TEXT_HIDDEN, "num_attention_heads": 4, "num_hidden_layers": 1}
        config = transformers.Idefics3Config(
            vision_config=self.vision.to_dict(), text_config=text, scale_factor=self.shuffle
        )
        with torch.random.fork_rng():
            torch.manual_seed(7)
            self.model = idefics3.Idefics3VisionTransformer(self.vision).eval()
            self.connector = idefics3.Idefics3Connector(config).eval()
            for module in (self.model, self.connector):
                for tensor_name, tensor in module.named_parameters():
                    base, scale = (1.0, 0.3) if "norm" in tensor_name and "weight" in tensor_name else (0.0, 0.3)
                    if tensor.ndim > 1 and "position" not in tensor_name:
                        scale = 1.0 / tensor[0].numel() ** 0.5
                    tensor.data.normal_(base, scale)
                module.to(torch.bfloat16).float()  # what is stored is bf16: only the arithmetic is compared
        side = self.vision.image_size // self.vision.patch_size
        random = np.random.default_rng(8)
        size = self.vision.image_size
        self.pixels = random.standard_normal((IMAGES, 3, size, size)).astype(np.float32)
        self.mask = np.ones((IMAGES, side, side), np.bool_)
        self.mask[1, :, side - 2 :] = False  # the second is narrower and lower than the first
        self.mask[1, side - 3 :, :] = False
        self.positions = np.zeros((IMAGES, side * side), np.int32)
        self.exact = self.reference(torch.float32)

    def reference(self, dtype: Any) -> NDArray[np.float32]:  # [images, tokens, text hidden]
        """Also takes down which positions transformers looks up: finding them is not the core's business."""
        self.model.to(dtype), self.connector.to(dtype)
        seen: list[Any] = []
        hook = self.model.embeddings.position_embedding.register_forward_hook(
            lambda _, given, __: seen.append(given[0])
        )
        with torch.inference_mode():
            states = self.model(
                pixel_values=torch.from_numpy(self.pixels).to(dtype), patch_attention_mask=torch.from_numpy(self.mask)
            )
            tokens: NDArray[np.float32] = self.connector(states.last_hidden_state).float().numpy()
        hook.remove()
        self.positions = seen[0].numpy().astype(np.int32)
        self.model.float(), self.connector.float()
        return tokens

    def core(self, context: _core.Context, format: str, **changes: float) -> _core.VisionModel:
        config = _core.VisionConfig()
        config.patch = self.vision.patch_size
        config.positions = (self.vision.image_size // self.vision.patch_size) ** 2
        config.hidden = self.vision.hidden_size
        config.intermediate = self.vision.intermediate_size
        config.layers = self.vision.num_hidden_layers
        config.heads = self.vision.num_attention_heads
        config.norm_eps = self.vision.layer_norm_eps
        config.shuffle = self.shuffle
        config.text_hidden = TEXT_HIDDEN
        for name, value in changes.items():
            setattr(config, name, value)
        model = _core.VisionModel(context, config)
        for name, tensor in tensors(self.model, self.connector).items():
            array = tensor.detach().numpy()
            if array.ndim > 2:
                array = array.reshape(len(array), -1)
            model.set_tensor(name, "F32", array.shape, array, "" if array.ndim == 1 else format)
        model.finish()
        return model

    def encoded(self, model: _core.VisionModel) -> NDArray[np.float32]:
        return model.encode(self.pixels, self.positions, self.mask.reshape(IMAGES, -1))

    def rms(self, tokens: NDArray[np.float32]) -> float:
        """Of the difference to the exact ones, in units of their standard deviation."""
        assert tokens.shape == self.exact.shape
        return float(np.sqrt(np.mean((tokens - self.exact) ** 2)) / self.exact.std())


def tensors(model: Any, connector: Any) -> dict[str, Any]:
    """transformers' parameters under the core's names."""
    own = {
        "patch": model.embeddings.patch_embedding.weight,
        "patch_bias": model.embeddings.patch_embedding.bias,
        "positions": model.embeddings.position_embedding.weight,
        "post_norm": model.post_layernorm.weight,
        "post_norm_bias": model.post_layernorm.bias,
        "connector": connector.modality_projection.proj.weight,
    }
    for i, layer in enumerate(model.encoder.layers):
        parts = {
            "attn_q": layer.self_attn.q_proj,
            "attn_k": layer.self_attn.k_proj,
            "attn_v": layer.self_attn.v_proj,
            "attn_out": layer.self_attn.out_proj,
            "ffn_up": layer.mlp.fc1,
            "ffn_down": layer.mlp.fc2,
            "attn_norm": layer.layer_norm1,
            "ffn_norm": layer.layer_norm2,
        }
        for name, part in parts.items():
            own[f"layers.{i}.{name}"] = part.weight
            own[f"layers.{i}.{name}_bias"] = part.bias
    return own


@pytest.fixture(scope="module", params=list(TOWERS))
def tower(request: pytest.FixtureRequest) -> Tower:
    return Tower(request.param)


BOUNDS = {"bf16": 0.01, "q8": 0.03, "q4": 0.3}


@pytest.mark.parametrize("isa", _core.supported_isas())
@pytest.mark.parametrize("format", list(BOUNDS))
def test_tokens(tower: Tower, isa: str, format: str) -> None:
    model = tower.core(_core.Context(2, isa), format)
    assert set(model.formats) == {format}
    assert tower.exact.shape[1] == model.tokens(*tower.pixels.shape[2:])
    found = tower.rms(tower.encoded(model))
    assert found < BOUNDS[format]
    if format == "bf16":
        assert found < 1.2 * tower.rms(tower.reference(torch.bfloat16))


def test_the_bound_sees_small_mistakes(tower: Tower, core: _core.Context) -> None:
    model = tower.core(core, "bf16")
    bound = 2 * BOUNDS["bf16"]
    assert tower.rms(model.encode(tower.pixels, tower.positions)) > bound  # padding is looked at
    assert tower.rms(model.encode(tower.pixels, np.roll(tower.positions, 1, axis=1), tower.mask.reshape(2, -1))) > bound
    assert tower.rms(model.encode(tower.pixels.swapaxes(2, 3).copy(), tower.positions)) > bound
    assert tower.rms(tower.encoded(tower.core(core, "bf16", norm_eps=0.1))) > bound


def test_what_does_not_fit_is_refused(core: _core.Context) -> None:
    tower = Tower("several-pages")
    model = tower.core(core, "q8")
    mask = tower.mask.reshape(IMAGES, -1)
    for pixels, positions, masked in [
        (tower.pixels[:, :2].copy(), tower.positions, None),
        (tower.pixels[:, :, :60].copy(), tower.positions, None),  # 15 rows of patches do not make squares of 4
        (tower.pixels, tower.positions[:1], None),
        (tower.pixels, tower.positions[:, 1:].copy(), None),
        (tower.pixels, tower.positions + 256, None),
        (tower.pixels, tower.positions, mask[:1]),
        (tower.pixels, tower.positions, mask[:, 1:].copy()),
        (tower.pixels, tower.positions, np.zeros_like(mask)),
        (tower.pixels[:0], tower.positions[:0], None),
    ]:
        with pytest.raises(ValueError, match=r"image|position|mask|pixels"):
            model.encode(pixels, positions, masked)
    with pytest.raises(TypeError):
        model.encode(tower.pixels.astype(np.float64), tower.positions)
    with pytest.raises(ValueError, match="not finished"):
        _core.VisionModel(core, _config_of_nothing()).encode(tower.pixels, tower.positions)


def _config_of_nothing() -> _core.VisionConfig:
    config = _core.VisionConfig()
    config.patch = config.positions = config.hidden = config.intermediate = 4
    config.layers = config.heads = config.text_hidden = 1
    return config
