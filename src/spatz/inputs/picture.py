"""Bytes of an image -> an upright RGB picture: PNG, JPEG, WebP, GIF (its first frame), BMP and TIFF.

The bounds are checked on the header, before a pixel is decoded. EXIF rotation is applied, transparency is laid on white
(on black where what is drawn is light), and palettes, 16 bits, CMYK and 1 bit all end as 8-bit RGB. What is in the
picture is read elsewhere: as text by image.py, natively by a model with eyes.
"""

from __future__ import annotations

import io
import math
import warnings
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from spatz.inputs.document import InputError, ReadOptions

__all__ = ["FORMATS", "frame_count", "open_picture", "pixel_budget", "shrunk"]

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_BROKEN: Final = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError)
# What `detail` means: the pixels that are looked at. low: fits into a square of 1,024. auto: a page at 200 dots an inch
# keeps all of its pixels. high: one at 400.
_LOW_SIDE: Final = 1024
_AUTO_PIXELS: Final = 4_000_000
_HIGH_PIXELS: Final = 16_000_000


def pixel_budget(width: int, height: int, options: ReadOptions) -> int:
    """How many pixels of a picture of that size are looked at, by options.detail."""
    if options.detail == "low":
        shrink = min(1.0, _LOW_SIDE / max(width, height))
        return max(1, math.floor(width * height * shrink * shrink))
    return min(width * height, _HIGH_PIXELS if options.detail == "high" else _AUTO_PIXELS)


def open_picture(data: bytes, options: ReadOptions, *, whole: bool = True) -> Image.Image:
    """An RGB picture. whole=False: no more pixels than options.detail lets be looked at, which saves memory and time.
    Its info has the "whole_size" of the image as it is shown.

    Raises InputError (invalid_image, image_too_large)."""
    if len(data) > options.max_bytes:
        raise InputError(
            f"The image has {len(data):,} bytes; {options.max_bytes:,} are allowed.", code="image_too_large", status=413
        )
    if not data:
        raise InputError("The image is empty.", code="invalid_image")
    with warnings.catch_warnings():
        # Our own bound is below; odd metadata is no reason to bother whoever runs the server.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(image.size, options)
                return _decode(image, options, whole)
        except Image.DecompressionBombError:
            raise _too_many_pixels(None, options) from None
        except UnidentifiedImageError:
            raise InputError(
                f"The image is damaged or of an unknown format; supported are {', '.join(FORMATS)}.",
                code="invalid_image",
            ) from None
        except MemoryError:
            raise InputError("The image needs too much memory to be decoded.", code="image_too_large") from None
        except _BROKEN as error:
            raise InputError(f"The image cannot be decoded: {_reason(error)}.", code="invalid_image") from None


def shrunk(image: Image.Image, options: ReadOptions) -> Image.Image:
    """No more pixels than options.detail lets be looked at."""
    budget = pixel_budget(*image.size, options)
    return image if budget >= image.width * image.height else _resized(image, _scaled(image.size, budget))


def frame_count(data: bytes) -> int:
    """Frames of an animation, pages of a TIFF: of what open_picture has opened."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return int(getattr(image, "n_frames", 1))
        except _BROKEN:
            return 1  # what follows the first one is damaged


def _scaled(size: tuple[int, int], budget: int) -> tuple[int, int]:
    scale = math.sqrt(budget / (size[0] * size[1]))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _check_size(size: tuple[int, int], options: ReadOptions) -> None:
    if min(size) < 1:
        raise InputError("The image has no pixels.", code="invalid_image")
    if size[0] * size[1] > options.max_pixels:
        raise _too_many_pixels(size, options)


def _too_many_pixels(size: tuple[int, int] | None, options: ReadOptions) -> InputError:
    what = f"The image has {size[0]:,} x {size[1]:,} pixels" if size else "The image has too many pixels"
    return InputError(f"{what}; {options.max_pixels:,} are allowed.", code="image_too_large")


def _reason(error: Exception) -> str:
    text = str(error).strip().rstrip(".")
    return text[:200] if text else "it is damaged"


def _decode(image: Image.Image, options: ReadOptions, whole: bool) -> Image.Image:
    budget = image.width * image.height if whole else pixel_budget(*image.size, options)
    shrinks = budget < image.width * image.height
    whole_size, wanted = image.size, _scaled(image.size, budget)
    if image.format == "JPEG" and shrinks:
        image.draft(image.mode, wanted)  # decodes at 1/2, 1/4 or 1/8, never below what is wanted
    image.load()
    _check_size(image.size, options)  # a frame may turn out larger than what the header said
    picture = _deep(image)
    if "A" not in picture.mode and "transparency" not in picture.info and picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    elif "transparency" in picture.info or picture.mode in ("LA", "PA", "La", "RGBa"):
        picture = picture.convert("RGBA")
    if shrinks and picture.size != wanted:
        picture = _resized(picture, wanted)
    if picture.mode == "RGBA":
        picture = _flattened(picture)
    picture = _turned(image, picture.convert("RGB"))
    upright = (picture.width > picture.height) == (wanted[0] > wanted[1])
    picture.info = {"whole_size": whole_size if upright else whole_size[::-1]}
    return picture


def _resized(picture: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    # reducing_gap: whole-number averaging first, so that 100 megapixels take a tenth of a second
    return picture.resize(wanted, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _deep(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating-point greys in 8 bits: Pillow's own conversion would clip them."""
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
        low, high = float(values.min()), float(values.max())
        if image.mode.startswith("I") and low >= 0 and high <= 65535:
            low, high = 0.0, 65535.0 if high > 255 else 255.0
        scale = 255.0 / (high - low) if high > low else 0.0
        return Image.fromarray(((values - low) * scale).astype(np.uint8))
    return image


def _flattened(picture: Image.Image) -> Image.Image:
    """Laid on white, or on black where what is drawn is light: white letters on nothing stay letters."""
    alpha = np.asarray(picture.getchannel("A"), dtype=np.uint8)
    seen = alpha > 127
    paper = 255
    if not alpha.all() and seen.any():
        # Pillow's own weights of red, green and blue
        grey = np.asarray(picture.convert("RGB").convert("L"))
        if float(np.median(grey[seen])) > 170 and float(seen.mean()) < 0.7:
            paper = 0
    below = Image.new("RGBA", picture.size, (paper, paper, paper, 255))
    return Image.alpha_composite(below, picture).convert("RGB")


def _turned(image: Image.Image, picture: Image.Image) -> Image.Image:
    """The picture as its EXIF orientation wants it shown. EXIF that cannot be read turns nothing."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:
        return picture
    if orientation in (2, 3, 4, 5, 6, 7, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture.info.pop("exif", None)
        picture.getexif()[0x0112] = orientation
        return ImageOps.exif_transpose(picture)
    return picture
