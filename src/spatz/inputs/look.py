"""What a picture looks like, without knowing what it shows: main colours by name, and whether it is rather a photo, a
chart, a drawing or a page.

Rules of thumb over a thumbnail, for the line that a model without eyes gets about an image. Text is ocr.py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np

from spatz.inputs.lines import Sheet
from spatz.inputs.text_detector import Pixels

__all__ = ["Look", "look_at"]

Kind = Literal["a photo", "a chart", "a drawing", "a document", "a blank picture"]

_SIDE: Final = 160
_NAMED: Final = {  # red, green, blue
    "black": (12, 12, 12),
    "dark grey": (70, 70, 70),
    "grey": (130, 130, 130),
    "light grey": (200, 200, 200),
    "white": (250, 250, 250),
    "red": (205, 30, 35),
    "dark red": (120, 15, 20),
    "orange": (240, 140, 25),
    "brown": (120, 75, 40),
    "beige": (225, 205, 165),
    "yellow": (245, 220, 40),
    "green": (50, 165, 60),
    "dark green": (25, 85, 40),
    "turquoise": (50, 185, 185),
    "light blue": (140, 190, 235),
    "blue": (40, 95, 205),
    "dark blue": (20, 35, 105),
    "purple": (130, 50, 155),
    "pink": (240, 130, 180),
}
_MOST_NAMES: Final = 3
_LEAST_SHARE: Final = 0.06


@dataclass(frozen=True, slots=True)
class Look:
    kind: Kind
    colours: tuple[str, ...]  # the most frequent first


def look_at(picture: Pixels, sheet: Sheet) -> Look:
    """picture: as the sheet was found on it."""
    height, width = picture.shape[:2]
    shrink = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    # Pixels as they are, not means: the mean of letters and paper is a grey that is nowhere.
    small = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST) if shrink < 1 else picture
    return Look(_kind(small, sheet), _colours(small))


def _colours(small: Pixels) -> tuple[str, ...]:
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB).reshape(-1, 3).astype(np.float32)
    named = np.array(list(_NAMED.values()), np.uint8)[None, :, ::-1]
    palette = cv2.cvtColor(np.ascontiguousarray(named), cv2.COLOR_BGR2LAB)[0].astype(np.float32)
    # Lightness counts half: a shaded red is red.
    weights = np.array([0.6, 1.0, 1.0], np.float32)
    distances = ((lab[:, None, :] - palette[None, :, :]) * weights) ** 2
    counts = np.bincount(distances.sum(axis=2).argmin(axis=1), minlength=len(_NAMED)) / len(lab)
    names = list(_NAMED)
    order = np.argsort(-counts)[:_MOST_NAMES]
    return tuple(names[i] for i in order if counts[i] >= _LEAST_SHARE or i == order[0])


def _kind(small: Pixels, sheet: Sheet) -> Kind:
    pixels = small.reshape(-1, 3)
    bins = (pixels >> 4).astype(np.int32)
    shares = np.sort(np.bincount(bins[:, 0] << 8 | bins[:, 1] << 4 | bins[:, 2]))[::-1] / len(pixels)
    paper = float(shares[:2].sum())  # the most frequent colour, with the bin beside it
    many = int(np.searchsorted(np.cumsum(shares), 0.9)) + 1  # colours that make up nine tenths
    page = sheet.width * sheet.height
    text = sum((line.box[2] - line.box[0]) * (line.box[3] - line.box[1]) for line in sheet.lines) / page
    letters = sum(len(line.text) for line in sheet.lines)
    if not sheet.lines and float(shares[0]) > 0.998:
        return "a blank picture"
    if many > 60 and paper < 0.45 and text < 0.12:
        return "a photo"
    if letters >= 200 or (letters >= 20 and text > 0.08):
        return "a document"
    saturated = float((pixels.max(axis=1).astype(np.int16) - pixels.min(axis=1) > 70).mean())
    axes = len(sheet.rules) >= 2 or saturated > 0.02
    if len(sheet.lines) >= 3 and axes and sum(any(c.isdigit() for c in line.text) for line in sheet.lines) >= 3:
        return "a chart"
    if letters >= 20 or text > 0.08:
        return "a document"
    return "a photo" if many > 60 else "a drawing"
