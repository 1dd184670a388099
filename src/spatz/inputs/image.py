"""An image -> Markdown for a model without eyes: a line of what is known about it, then the text in reading order.

    picture.py (bytes -> pixels), ocr.py (pixels -> lines), layout.py (lines -> Markdown), look.py (what it looks like)

Where nothing can be read, the Markdown says so to the model and a note to the caller, so that no answer is made up
about a photo. Pages of PDFs that have to be read as pictures come in by read_picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spatz.inputs.document import Document, Note, ReadOptions
from spatz.inputs.layout import arrange
from spatz.inputs.look import Look, look_at
from spatz.inputs.ocr import Scan, text_reader
from spatz.inputs.picture import frame_count, open_picture, shrunk

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["PictureText", "read_image", "read_picture"]

_LOW_CONFIDENCE: Final = 0.8


@dataclass(frozen=True, slots=True)
class PictureText:
    markdown: str  # "": there is no text on it
    confidence: float | None  # mean over the characters, 0..1; None: there is no text on it
    lines: int
    scan: Scan


def read_picture(image: Image.Image, options: ReadOptions) -> PictureText:
    """The text on a picture that is in memory, such as a page that was rendered: as many of its pixels are looked at as
    options.detail lets."""
    pixels = np.asarray(shrunk(image.convert("RGB"), options), np.uint8)
    scan = text_reader().scan(np.ascontiguousarray(pixels[:, :, ::-1]))
    lines = scan.sheet.lines
    letters = sum(len(line.text) for line in lines)
    confidence = sum((line.confidence or 0.0) * len(line.text) for line in lines) / letters if letters else None
    return PictureText(arrange(scan.sheet), confidence, len(lines), scan)


def read_image(data: bytes, options: ReadOptions) -> Document:
    """Raises InputError for what is no image, damaged, or beyond the bounds."""
    image = open_picture(data, options, whole=False)
    whole_size = image.info["whole_size"]
    read = read_picture(image, options)
    notes = _notes(read, frame_count(data))
    text = read.markdown
    if len(text) > options.max_text:
        text = text[: options.max_text]
        notes.append(
            Note("text_left_out", f"Only the first {options.max_text:,} characters of the image's text are read.")
        )
    about = _about(whole_size, image.size, look_at(read.scan.picture, read.scan.sheet), read)
    return Document(
        kind="image",
        markdown=f"{about}\n\n{text}" if text else about,
        pictures=1,
        confidence=read.confidence,
        notes=tuple(notes),
        size=image.size,
    )


def _notes(read: PictureText, frames: int) -> list[Note]:
    notes = []
    if not read.lines:
        notes.append(Note("no_text", "No text was found in the image, and what else it shows is not known."))
    elif read.confidence is not None and read.confidence < _LOW_CONFIDENCE:
        notes.append(
            Note("low_confidence", f"The image's text was recognised with a confidence of only {read.confidence:.0%}.")
        )
    if frames > 1:
        notes.append(Note("frames_left_out", f"Only the first of the image's {frames} pages or frames is read."))
    return notes


def _about(whole: tuple[int, int], seen: tuple[int, int], look: Look, read: PictureText) -> str:
    """One line in brackets. What was not seen is not to be guessed: the model is told."""
    said = [f"Image of {whole[0]} x {whole[1]} pixels"]
    if seen != whole:
        said.append(f"looked at in {seen[0]} x {seen[1]}")
    said.append(f"it looks like {look.kind}")
    said.append(f"mainly {', '.join(look.colours)}")
    if not read.lines:
        return f"[{'; '.join(said)}. No text can be read in it. What it shows is unknown.]"
    said.append("1 line of text" if read.lines == 1 else f"{read.lines} lines of text")
    if read.confidence is not None and read.confidence < _LOW_CONFIDENCE:
        said.append("hard to read, so it may be wrong")
    return f"[{'; '.join(said)}:]"
