"""Real recognition on small pictures; the models load once."""

from __future__ import annotations

import socket

import numpy as np
import pytest
from PIL import Image, ImageDraw

from inputs.drawing import encoded, written
from spatz.inputs import ocr_model
from spatz.inputs.document import Document, InputError, ReadOptions
from spatz.inputs.image import read_image, read_picture

TEXTS = [
    (30, 20, "Größe: 12,50 € für die Übung"),
    (30, 60, "Straße der Öfen 7, 80331 München"),
    (30, 100, "Total amount due: $1,234.56"),
]
EXPECTED = "\n".join(text for _, _, text in TEXTS)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models come with a package: nothing is ever fetched."""

    def refuse(*args: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def read(image: Image.Image, options: ReadOptions | None = None) -> Document:
    return read_image(encoded(image), options or ReadOptions())


def text_of(document: Document) -> str:
    return document.markdown.partition("]\n\n")[2]


def codes(document: Document) -> list[str]:
    return [note.code for note in document.notes]


def test_text_is_read_with_its_umlauts() -> None:
    document = read(written(TEXTS, (620, 150)))
    about = document.markdown.splitlines()[0]
    assert text_of(document) == EXPECTED
    assert about == "[Image of 620 x 150 pixels; it looks like a document; mainly white; 3 lines of text:]"
    assert (document.kind, document.pictures, document.size, document.notes) == ("image", 1, (620, 150), ())
    assert document.confidence is not None and document.confidence > 0.95


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_pictures_on_their_side_or_head_are_read(turn: int) -> None:
    assert text_of(read(written(TEXTS, (620, 150)).rotate(turn, expand=True))) == EXPECTED


@pytest.mark.parametrize("tilt", [-4, 3])
def test_tilted_pictures_are_read(tilt: int) -> None:
    image = written(TEXTS, (620, 150)).rotate(tilt, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    assert text_of(read(image)) == EXPECTED


def test_light_text_on_dark_is_read() -> None:
    assert text_of(read(written(TEXTS, (620, 150), paper="#10141c", ink="#d0d0d0"))) == EXPECTED


def test_few_pixels_are_enough() -> None:
    image = written(TEXTS, (620, 150))
    assert text_of(read(image.resize((310, 75), Image.Resampling.LANCZOS))) == EXPECTED


def test_a_drawn_table_becomes_one() -> None:
    rows = [("Item", "Price"), ("Desk lamp", "55.12"), ("Cable", "7.50")]
    texts = [(x, 30 + 50 * i, text) for i, row in enumerate(rows) for x, text in zip((40, 300), row, strict=True)]
    image = written(texts, (460, 190))
    draw = ImageDraw.Draw(image)
    for i in range(4):
        draw.line((30, 20 + 50 * i, 430, 20 + 50 * i), fill="black", width=2)
    for x in (30, 285, 430):
        draw.line((x, 20, x, 170), fill="black", width=2)
    expected = "| Item | Price |\n| --- | ---: |\n| Desk lamp | 55.12 |\n| Cable | 7.50 |"
    assert text_of(read(image)) == expected


def test_what_cannot_be_read_says_so() -> None:
    ramp = np.linspace(0, 255, 200, dtype=np.uint8)
    photo = np.stack(
        [np.tile(ramp, (150, 1)), np.tile(ramp[:150, None], (1, 200)), np.full((150, 200), 90, np.uint8)], 2
    )
    document = read(Image.fromarray(photo))
    assert codes(document) == ["no_text"]
    assert document.confidence is None
    assert "it looks like a photo" in document.markdown
    assert document.markdown.endswith("No text can be read in it. What it shows is unknown.]")


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 400), (60_000, 10), (10, 3_000)])
def test_odd_shapes_are_no_trouble(size: tuple[int, int]) -> None:
    document = read(Image.new("RGB", size, "navy"))
    assert codes(document) == ["no_text"]
    assert "mainly dark blue" in document.markdown


def test_low_detail_looks_at_fewer_pixels() -> None:
    document = read(Image.new("L", (2000, 1000)), ReadOptions(detail="low"))
    assert document.size == (1024, 512)
    assert "2000 x 1000 pixels; looked at in 1024 x 512" in document.markdown


def test_frames_that_are_left_out_are_told() -> None:
    frames = [Image.new("L", (40, 40), shade) for shade in (0, 120, 255)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert codes(read_image(data, ReadOptions())) == ["no_text", "frames_left_out"]


def test_the_text_is_bounded() -> None:
    document = read(written(TEXTS, (620, 150)), ReadOptions(max_text=10))
    assert text_of(document) == EXPECTED[:10]
    assert codes(document) == ["text_left_out"]


def test_a_page_in_memory_is_read_without_a_line_about_it() -> None:
    found = read_picture(written(TEXTS, (620, 150)), ReadOptions())
    assert (found.markdown, found.lines) == (EXPECTED, 3)


def test_a_wheel_without_models_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError) as caught:
        ocr_model.open_session("PP-OCRv9_rec_huge.onnx", 1)
    assert (caught.value.code, caught.value.status) == ("image_reading_unavailable", 501)
