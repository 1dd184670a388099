"""Tiny random Idefics3 models, written by transformers as a folder, and by gguf as a model with an mmproj."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from weights.tiny_models import SPECIAL, VOCAB, add_metadata, gguf_metadata, tokenizer_json, vocabulary

MARKS = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
GRID = 4
TOKENS = [*MARKS, *(f"<row_{i + 1}_col_{j + 1}>" for i in range(GRID) for j in range(GRID))]
TEMPLATE = (  # SmolVLM's
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] == "
    "'image' %}{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}"
    "{{line['text']}}{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
TEXT = {
    "model_type": "llama",
    "vocab_size": VOCAB + len(TOKENS),
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def random_model(vision: dict[str, Any], scale_factor: int, *, tied: bool = False) -> Any:
    """transformers' model in bf16. vision: of Idefics3VisionConfig."""
    import torch
    import transformers

    config = transformers.Idefics3Config(
        text_config={**TEXT, "tie_word_embeddings": tied},
        vision_config={"num_hidden_layers": 2, "layer_norm_eps": 1e-6, **vision},
        scale_factor=scale_factor,
        image_token_id=VOCAB,
        tie_word_embeddings=tied,
    )
    with torch.random.fork_rng():
        torch.manual_seed(9)
        model = transformers.Idefics3ForConditionalGeneration(config).eval()
        for name, tensor in model.named_parameters():
            base, scale = (1.0, 0.3) if "norm" in name and name.endswith("weight") else (0.0, 0.3)
            if tensor.ndim > 1 and "position" not in name:
                scale = 1.0 if "embed_tokens" in name else 1.0 / tensor[0].numel() ** 0.5
            tensor.data.normal_(base, scale)
    return model.to(torch.bfloat16)


def write_tiny_vision(folder: Path, model: Any, *, tile: int, longest: int, splits: bool = True) -> Path:
    """The folder as the hub has it."""
    model.save_pretrained(folder)
    tokenizer = tokenizer_json()
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokenizer["added_tokens"] += [
        {"id": VOCAB + i, "content": token, "special": True, **plain} for i, token in enumerate(TOKENS)
    ]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<end_of_utterance>"}))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    cutting = {"size": {"longest_edge": longest}, "max_image_size": {"longest_edge": tile}}
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps({**cutting, **half, "do_image_splitting": splits}))
    return folder


def write_tiny_gguf(folder: Path, model: Any, *, longest: int, swapped: bool = False) -> Path:
    """The same model as a GGUF file beside its mmproj. swapped: up and down as older files name them."""
    tensors = {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}
    vision = model.config.vision_config
    _write_text(folder / "tiny.gguf", tensors)
    names = {
        "embeddings.patch_embedding": "v.patch_embd",
        "embeddings.position_embedding": "v.position_embd",
        "post_layernorm": "v.post_ln",
    }
    up, down = ("ffn_down", "ffn_up") if swapped else ("ffn_up", "ffn_down")
    layer = {
        "layer_norm1": "ln1",
        "layer_norm2": "ln2",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.out_proj": "attn_out",
        "mlp.fc1": up,
        "mlp.fc2": down,
    }
    for i in range(vision.num_hidden_layers):
        names |= {f"encoder.layers.{i}.{name}": f"v.blk.{i}.{rest}" for name, rest in layer.items()}
    writer = gguf.GGUFWriter(folder / "mmproj-tiny.gguf", "clip")
    add_metadata(
        writer,
        {
            "clip.has_vision_encoder": True,
            "clip.projector_type": "idefics3",
            "clip.use_gelu": True,
            "clip.vision.image_size": vision.image_size,
            "clip.vision.preproc_image_size": longest,
            "clip.vision.patch_size": vision.patch_size,
            "clip.vision.embedding_length": vision.hidden_size,
            "clip.vision.feed_forward_length": vision.intermediate_size,
            "clip.vision.block_count": vision.num_hidden_layers,
            "clip.vision.attention.head_count": vision.num_attention_heads,
            "clip.vision.attention.layer_norm_epsilon": vision.layer_norm_eps,
            "clip.vision.projector.scale_factor": model.config.scale_factor,
            "clip.vision.image_mean": [0.5] * 3,
            "clip.vision.image_std": [0.5] * 3,
        },
    )
    for name, tensor in tensors.items():
        if name == "model.connector.modality_projection.proj.weight":
            writer.add_tensor("mm.model.fc.weight", tensor)
        elif name.startswith("model.vision_model."):
            stem, _, end = name.removeprefix("model.vision_model.").rpartition(".")
            writer.add_tensor(f"{names[stem]}.{end}", np.ascontiguousarray(tensor))
    _finish(writer)
    return folder / "tiny.gguf"


def _write_text(path: Path, tensors: dict[str, np.ndarray]) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    tokens = [*vocabulary(), *TOKENS]
    control, unused, normal = 3, 5, 1
    kinds = [
        control if token in (*SPECIAL, *TOKENS) else unused if token.startswith("<unused") else normal
        for token in tokens
    ]
    values = gguf_metadata() | {
        "llama.context_length": TEXT["max_position_embeddings"],
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.chat_template": TEMPLATE,
    }
    add_metadata(writer, values)
    body = "model.text_model."
    layer = {
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    heads = {"attn_q": TEXT["num_attention_heads"], "attn_k": TEXT["num_key_value_heads"]}
    writer.add_tensor("token_embd.weight", tensors[f"{body}embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", tensors[f"{body}norm.weight"])
    writer.add_tensor("output.weight", tensors["lm_head.weight"])
    for i in range(TEXT["num_hidden_layers"]):
        for name, rest in layer.items():
            tensor = tensors[f"{body}layers.{i}.{name}.weight"]
            if rest in heads:  # llama's GGUF files have the halves of a rotated pair beside each other
                rows, columns = tensor.shape
                tensor = tensor.reshape(heads[rest], 2, rows // heads[rest] // 2, columns).swapaxes(1, 2)
                tensor = np.ascontiguousarray(tensor.reshape(rows, columns))
            writer.add_tensor(f"blk.{i}.{rest}.weight", tensor)
    _finish(writer)


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
