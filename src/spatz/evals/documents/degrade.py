"""What happens to pages before they are read: turned, crooked, noisy, compressed, few pixels. Fixed by a seed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["DEGRADATIONS"]

LOW = 1 / 2  # of the pixels each way: a page at 75 dpi
SPECKS = 0.002  # the part of the pixels that are black or white by chance


def _turned(image: Image, seed: int) -> Image:
    return image.rotate(90, expand=True)


def _crooked(image: Image, seed: int) -> Image:
    from PIL.Image import Resampling

    angle = 3 if seed % 2 else -3
    return image.rotate(angle, Resampling.BICUBIC, expand=True, fillcolor=image.getpixel((0, 0)))


def _noisy(image: Image, seed: int) -> Image:
    import numpy as np
    from PIL import Image as images

    draw = np.random.default_rng(seed)
    grey = np.asarray(image.convert("L"), np.float64)  # [height, width]
    pixels = grey * 0.9 + 10 + draw.normal(0, 24, grey.shape)
    specks = draw.random(grey.shape)
    pixels[specks < SPECKS / 2] = 0
    pixels[specks > 1 - SPECKS / 2] = 255
    return images.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGB")


def _compressed(image: Image, seed: int) -> Image:
    from PIL import Image as images

    out = io.BytesIO()
    image.save(out, "JPEG", quality=12)
    return images.open(out).convert("RGB")


def _low(image: Image, seed: int) -> Image:
    from PIL.Image import Resampling

    return image.resize((round(image.width * LOW), round(image.height * LOW)), Resampling.LANCZOS)


DEGRADATIONS: Mapping[str, Callable[[Image, int], Image]] = {
    "turned": _turned,  # by 90 degrees
    "crooked": _crooked,  # by 3 degrees
    "noisy": _noisy,
    "jpeg": _compressed,
    "low": _low,
}
