"""Pictures are cut as the reference's processor cuts them, pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from spatz.inputs.cut import Tiling
from spatz.inputs.tiling import cut_picture, pixels_of, position_ids

MEAN, STD = (0.5, 0.4, 0.3), (0.5, 0.6, 0.7)
SIZES = [(64, 64), (1, 1), (300, 10), (10, 300), (65, 64), (200, 150), (150, 201), (63, 127), (500, 3)]


def picture(size: tuple[int, int]) -> Image.Image:
    colours = np.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(colours)


def processor(tiling: Tiling) -> Any:
    module = pytest.importorskip("transformers.models.idefics3.image_processing_pil_idefics3")
    return module.Idefics3ImageProcessorPil(
        size={"longest_edge": tiling.longest},
        max_image_size={"longest_edge": tiling.tile},
        do_image_splitting=tiling.splits,
        image_mean=list(MEAN),
        image_std=list(STD),
    )


@pytest.mark.parametrize("tiling", [Tiling(32, 128, True), Tiling(28, 100, True), Tiling(32, 128, False)])
def test_the_reference_s_pixels(tiling: Tiling) -> None:
    reference = processor(tiling)
    for size in SIZES:
        image = picture(size)
        found = reference(images=[[image]], return_row_col_info=True, return_tensors="np")
        cut = cut_picture(image, tiling)
        assert (cut.rows, cut.columns) == (found["rows"][0][0], found["cols"][0][0]), size
        pixels = pixels_of(cut, tiling.tile, MEAN, STD)
        assert pixels.shape == found["pixel_values"][0].shape, size
        assert np.allclose(pixels, found["pixel_values"][0], atol=1e-5), size
        assert found["pixel_attention_mask"].all()  # nothing is ever padded


def test_little_detail_is_one_tile() -> None:
    image = picture((200, 150))
    cut = cut_picture(image, Tiling(32, 128, True), whole=True)
    assert (cut.rows, cut.columns, cut.count) == (0, 0, 1)
    assert cut == cut_picture(image, Tiling(32, 128, False))


@pytest.mark.parametrize(("patches", "side"), [(4, 4), (3, 8), (8, 3), (32, 32), (26, 27), (1, 5), (7, 70)])
def test_positions_of_patches(patches: int, side: int) -> None:
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("transformers.models.idefics3.modeling_idefics3")
    config = module.Idefics3VisionConfig(image_size=side * 2, patch_size=2, hidden_size=side * side)
    embeddings = module.Idefics3VisionEmbeddings(config)
    with torch.no_grad():
        embeddings.patch_embedding.weight.zero_()
        embeddings.patch_embedding.bias.zero_()
        embeddings.position_embedding.weight.copy_(torch.eye(side * side))
        pixels = torch.zeros(1, 3, patches * 2, patches * 2)
        seen = embeddings(pixels, torch.ones(1, patches, patches, dtype=torch.bool))[0]
    assert position_ids(patches, side).tolist() == seen.argmax(dim=1).tolist()
