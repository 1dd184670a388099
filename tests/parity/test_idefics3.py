"""Tiny random Idefics3 models that see: transformers' processor and model, and ours from the same folder or files.

The prompt goes through the chat template, the images through the tiling; tokens have to be the same, logits within the
bounds of the tiny decoders (test_tiny_models.py): the tower's own error is part of the inputs and adds to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from parity.oracle import Logits, compare
from spatz import _core
from spatz.inputs.tiling import cut_picture
from spatz.prompt.build import Prompt, build_chat
from spatz.prompt.chat_template import ChatTemplate
from spatz.prompt.eyes import Eyes
from spatz.weights.load import LoadedModel, load_model
from weights.tiny_vision import TEMPLATE, random_model, write_tiny_gguf, write_tiny_vision

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

MODELS: dict[str, dict[str, Any]] = {
    "split": {
        "vision": {
            "hidden_size": 48,
            "intermediate_size": 80,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 4,
        },
        "scale_factor": 2,
        "cutting": {"tile": 32, "longest": 96},
    },
    "scale-4-tied": {
        "vision": {
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 4,
        },
        "scale_factor": 4,
        "tied": True,
        "cutting": {"tile": 64, "longest": 256},
    },
    "whole": {  # never split, and read at a resolution that the positions were not made for
        "vision": {
            "hidden_size": 36,
            "intermediate_size": 50,
            "num_attention_heads": 3,
            "image_size": 42,
            "patch_size": 6,
        },
        "scale_factor": 3,
        "cutting": {"tile": 54, "longest": 100, "splits": False},
    },
}
# Rounding in the tower is carried on by the decoder: two such models one after the other.
RMS, CORRELATION = 0.02, 0.9998


def picture(width: int, height: int) -> Image.Image:
    """Smooth, as what has been photographed, so that scaling it does not level it."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = np.stack([np.sin(9 * x + 4 * y), np.cos(7 * y - 3 * x), np.sin(11 * x * y + 1)], axis=2)
    return Image.fromarray(((waves + 1) * 127.5).astype(np.uint8))


PICTURES = [picture(120, 90), picture(40, 200), picture(30, 31)]
CONVERSATIONS: dict[str, list[Any]] = {
    "none": ["In the morning the"],
    "one": [PICTURES[0], "What is in the <image> picture?"],
    "three": ["First", PICTURES[0], PICTURES[1], " and then", PICTURES[2], "What is there?"],
}


class Tiny:
    def __init__(self, name: str, folder: Path) -> None:
        shape = MODELS[name]
        self.model = random_model(shape["vision"], shape["scale_factor"], tied=shape.get("tied", False))
        write_tiny_vision(folder, self.model, **shape["cutting"])
        self.folder = folder
        cutting = shape["cutting"]
        image_processor = transformers.models.idefics3.image_processing_pil_idefics3.Idefics3ImageProcessorPil(
            size={"longest_edge": cutting["longest"]},
            max_image_size={"longest_edge": cutting["tile"]},
            do_image_splitting=cutting.get("splits", True),
        )
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        patches = cutting["tile"] // shape["vision"]["patch_size"]
        self.processor = transformers.Idefics3Processor(
            image_processor, tokenizer, image_seq_len=(patches // shape["scale_factor"]) ** 2, chat_template=TEMPLATE
        )

    def reference(self, said: list[Any]) -> tuple[list[int], Logits]:
        content = [{"type": "text", "text": one} if isinstance(one, str) else {"type": "image"} for one in said]
        # A user's text is no image, which transformers does not tell apart.
        for part in content:
            if "text" in part:
                part["text"] = part["text"].replace("<image>", "<imagine>")
        text = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        images = [one for one in said if not isinstance(one, str)]
        inputs = self.processor(text=[text], images=[images] if images else None, return_tensors="pt")
        with torch.inference_mode():
            logits = self.model.float()(**inputs).logits[0].numpy()
        return inputs["input_ids"][0].tolist(), logits


@pytest.fixture(scope="module", params=list(MODELS))
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return Tiny(request.param, tmp_path_factory.mktemp("idefics3"))


def ours(model: LoadedModel, said: list[Any], *, chunk: int = 4096) -> tuple[Prompt, Logits]:
    assert model.tower is not None and model.chat_template is not None
    eyes = Eyes(model.tower, model.tokenizer)
    content = [
        {"type": "text", "text": one.replace("<image>", "<imagine>")}
        if isinstance(one, str)
        else {"type": "image", "image": cut_picture(one, eyes.tiling)}
        for one in said
    ]
    template = ChatTemplate(model.chat_template)
    prompt = build_chat([{"role": "user", "content": content}], template, model.tokenizer, looks=eyes.tokens)
    images = eyes.images(prompt.looks)
    vectors = np.zeros((0, model.decoder.hidden), np.float32) if images is None else images.load()
    places = np.concatenate([np.zeros(0, np.int32), *(look.places for look in prompt.looks)]).astype(np.int32)
    pages = np.arange(-(-len(prompt) // _core.PAGE_TOKENS), dtype=np.int32)[None]
    cache = _core.KVCache(model.core, pages.size, model.kv_kind())
    parts = []
    for start in range(0, len(prompt), chunk):
        tokens = prompt.tokens[start : start + chunk].copy()
        low, high = np.searchsorted(places, (start, start + len(tokens)))
        parts.append(
            model.core.logits(
                cache,
                tokens,
                np.array([0, len(tokens)], np.int32),
                np.array([start], np.int32),
                pages,
                np.arange(len(tokens), dtype=np.int32),
                embeddings=vectors[low:high],
                embedding_rows=places[low:high] - np.int32(start),
            )
        )
    return prompt, np.concatenate(parts)


@pytest.mark.parametrize("conversation", list(CONVERSATIONS))
def test_tokens_and_logits(tiny: Tiny, core: _core.Context, conversation: str) -> None:
    said = CONVERSATIONS[conversation]
    tokens, expected = tiny.reference(said)
    model = load_model(tiny.folder, core)
    prompt, logits = ours(model, said)
    assert prompt.tokens.tolist() == tokens
    assert len(prompt.looks) == sum(not isinstance(one, str) for one in said)
    found = compare(logits, expected, prompt.tokens)
    assert found.rms < RMS and found.correlation > CORRELATION, found
    _, pieces = ours(model, said, chunk=37)
    assert np.array_equal(pieces, logits)  # however it is cut


def test_the_bound_sees_another_image(tiny: Tiny, core: _core.Context) -> None:
    prompt, logits = ours(load_model(tiny.folder, core), CONVERSATIONS["one"])
    turned = [CONVERSATIONS["one"][0].transpose(Image.Transpose.FLIP_LEFT_RIGHT), CONVERSATIONS["one"][1]]
    assert compare(logits, tiny.reference(turned)[1], prompt.tokens).rms > 2 * RMS


@pytest.mark.parametrize("swapped", [False, True])
def test_the_same_from_gguf_files(tmp_path: Path, core: _core.Context, swapped: bool) -> None:
    tiny = Tiny("split", tmp_path / "folder")
    (tmp_path / "files").mkdir()
    path = write_tiny_gguf(tmp_path / "files", tiny.model, longest=96, swapped=swapped)
    model = load_model(path.parent, core, format="bf16")
    assert model.tower is not None
    tokens, expected = tiny.reference(CONVERSATIONS["one"])
    prompt, logits = ours(model, CONVERSATIONS["one"])
    assert prompt.tokens.tolist() == tokens
    found = compare(logits, expected, prompt.tokens)
    assert found.rms < RMS and found.correlation > CORRELATION, found
