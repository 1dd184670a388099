from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from inputs.drawing import encoded
from spatz.inputs.document import InputError, ReadOptions
from spatz.inputs.picture import FORMATS, frame_count, open_picture, pixel_budget, shrunk

OPTIONS = ReadOptions()
RED, GREEN = (255, 0, 0), (0, 255, 0)


def two_halves() -> Image.Image:
    """60 x 40: red over green, and black at the lower right."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20] = RED
    pixels[20:, :30] = GREEN
    return Image.fromarray(pixels)


def near(pixel: object, colour: tuple[int, int, int], by: int = 8) -> bool:
    return all(abs(a - b) <= by for a, b in zip(pixel, colour, strict=True))  # type: ignore[call-overload]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_rgb(format: str) -> None:
    picture = open_picture(encoded(two_halves(), format), OPTIONS)
    assert (picture.mode, picture.size) == ("RGB", (60, 40))
    assert near(picture.getpixel((5, 5)), RED)
    assert near(picture.getpixel((5, 35)), GREEN)


@pytest.mark.parametrize(
    ("mode", "format", "expected"),
    [
        ("1", "PNG", (0, 0, 0)),
        ("L", "PNG", (76, 76, 76)),
        ("P", "PNG", RED),
        ("P", "GIF", RED),
        ("LA", "PNG", (76, 76, 76)),
        ("RGBA", "WEBP", RED),
        ("CMYK", "TIFF", RED),
        ("CMYK", "JPEG", RED),
        ("YCbCr", "TIFF", RED),
        ("I", "TIFF", (76, 76, 76)),
    ],
)
def test_every_mode_gives_rgb(mode: str, format: str, expected: tuple[int, int, int]) -> None:
    image = two_halves().convert("L").convert("I") if mode == "I" else two_halves().convert(mode)
    picture = open_picture(encoded(image, format), OPTIONS)
    assert picture.mode == "RGB"
    assert near(picture.getpixel((5, 5)), expected)


def test_sixteen_bits_keep_their_shades() -> None:
    grey = Image.fromarray(np.array([[0, 32768, 65535]], np.uint16))
    picture = open_picture(encoded(grey), OPTIONS)
    assert [picture.getpixel((x, 0))[0] for x in range(3)] == [0, 127, 255]  # type: ignore[index]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = open_picture(encoded(two_halves(), "JPEG", exif=exif, quality=95), OPTIONS)
    corners = {1: RED, 2: RED, 3: (0, 0, 0), 4: GREEN, 5: RED, 6: GREEN, 7: (0, 0, 0), 8: RED}
    assert picture.size == ((60, 40) if orientation < 5 else (40, 60))
    assert near(picture.getpixel((2, 2)), corners[orientation])
    assert picture.info["whole_size"] == picture.size


@pytest.mark.parametrize(("ink", "paper"), [(20, 255), (250, 0)])
def test_transparency_lies_on_what_the_drawing_stands_out_from(ink: int, paper: int) -> None:
    image = Image.new("RGBA", (50, 50), (0, 0, 0, 0))
    image.paste((ink, ink, ink, 255), (10, 10, 20, 20))
    picture = open_picture(encoded(image), OPTIONS)
    assert picture.getpixel((0, 0)) == (paper,) * 3
    assert picture.getpixel((15, 15)) == (ink,) * 3


def test_the_first_frame_is_taken_and_the_others_are_counted() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, (0, 0, 255))]
    for format in ("GIF", "TIFF", "WEBP"):
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert near(open_picture(data, OPTIONS).getpixel((4, 4)), RED)
        assert frame_count(data) == 3
    assert frame_count(encoded(frames[0])) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image at all",
        encoded(two_halves())[:80],
        encoded(two_halves(), "JPEG")[:300],
        encoded(two_halves(), "WEBP")[:60],
        encoded(two_halves(), "GIF")[:40],
        encoded(two_halves(), "BMP")[:100],
        encoded(two_halves(), "TIFF")[:50],
    ],
)
def test_damaged_images_are_named_so(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        open_picture(data, OPTIONS)
    assert caught.value.code == "invalid_image"


def bomb(width: int, height: int) -> bytes:
    """A PNG's header, with next to nothing behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_001, 10_000), (60_000, 60_000), (2_000_000_000, 2_000_000_000)])
def test_too_many_pixels_are_refused_by_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(InputError) as caught:
        open_picture(bomb(*size), OPTIONS)
    assert caught.value.code == "image_too_large"


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        open_picture(encoded(two_halves()), ReadOptions(max_bytes=50))
    assert (caught.value.code, caught.value.status) == ("image_too_large", 413)


def test_detail_says_how_many_pixels_are_looked_at() -> None:
    sizes = {
        detail: shrunk(Image.new("L", (3000, 4000)), ReadOptions(detail=detail)).size  # type: ignore[arg-type]
        for detail in ("low", "auto", "high")
    }
    assert sizes["low"] == (768, 1024)
    assert sizes["auto"] == (1732, 2309)
    assert sizes["high"] == (3000, 4000)
    assert pixel_budget(1240, 1754, OPTIONS) == 1240 * 1754


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_what_is_not_looked_at_is_not_kept(format: str) -> None:
    data = encoded(Image.new("RGB", (2400, 1200), RED), format)
    picture = open_picture(data, ReadOptions(detail="low"), whole=False)
    assert (picture.size, picture.info["whole_size"]) == ((1024, 512), (2400, 1200))
    assert open_picture(data, ReadOptions(detail="low")).size == (2400, 1200)
