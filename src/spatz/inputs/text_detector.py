"""Where on a picture text is: a picture -> boxes around lines of text, each with its own angle.

The model (differentiable binarization, arXiv 1911.08947) says for every pixel how likely it lies in a line's core;
cores become rectangles, grown to the whole letters. What the boxes say is text_recogniser.py's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from spatz.inputs.ocr_model import DETECTION, open_session

__all__ = ["Pixels", "TextBox", "TextDetector"]

Pixels = npt.NDArray[np.uint8]  # [height, width, 3], blue first, as cv2 has it

# The model's published settings, but for the growth: 1.6 there, with letters cut at the sides where a box is short.
_THRESHOLD: Final = 0.3
_SCORE: Final = 0.5
_GROWTH: Final = 1.6
_STEP: Final = 32  # sides that the network can halve five times
_TILE_PIXELS: Final = 2_400_000  # detected at once: about 300 MB of activations
_MAX_BOXES: Final = 3_000  # beyond, a picture is texture and no text


@dataclass(frozen=True, slots=True)
class TextBox:
    """A rectangle around a line. angle: degrees clockwise, within 45 of lying; a standing line is higher than wide."""

    x: float  # of the middle
    y: float
    width: float
    height: float
    angle: float
    score: float

    @property
    def standing(self) -> bool:
        return self.height > 1.5 * self.width


class TextDetector:
    def __init__(self, threads: int) -> None:
        self._session = open_session(DETECTION, threads)
        self._input = self._session.get_inputs()[0].name

    def find(self, picture: Pixels, scale: float) -> list[TextBox]:
        """Boxes in the picture's pixels; scale: how much it is enlarged to be looked at (a letter: 8 pixels and up)."""
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        seen = picture
        if scale != 1:
            seen = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        boxes: list[TextBox] = []
        for x, y, tile in _tiles(seen):
            for box in self._find(tile, _MAX_BOXES - len(boxes)):
                boxes.append(_moved(box, x, y, scale))
        return boxes

    def _find(self, tile: Pixels, most: int) -> list[TextBox]:
        height, width = tile.shape[:2]
        # A margin in the colour of the border: letters that touch it are found as well.
        margin = 16
        down, right = -(height + 2 * margin) % _STEP, -(width + 2 * margin) % _STEP
        framed = cv2.copyMakeBorder(tile, margin, margin + down, margin, margin + right, cv2.BORDER_REPLICATE)
        values = framed.astype(np.float32)
        values *= 1 / 127.5
        values -= 1
        heat = self._session.run(None, {self._input: values.transpose(2, 0, 1)[None]})[0][0, 0]  # [height, width]
        return [_moved(box, -margin, -margin, 1.0) for box in _rectangles(heat, most)]


def _moved(box: TextBox, x: float, y: float, scale: float) -> TextBox:
    return TextBox(
        (box.x + x) / scale, (box.y + y) / scale, box.width / scale, box.height / scale, box.angle, box.score
    )


def _rectangles(heat: Any, most: int) -> list[TextBox]:
    mask = cv2.dilate((heat > _THRESHOLD).astype(np.uint8), np.ones((2, 2), np.uint8))
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for outline in outlines[: 4 * most]:
        rectangle = cv2.minAreaRect(outline)
        if min(rectangle[1]) < 3:
            continue
        x, y, width, height = cv2.boundingRect(outline)
        inside = np.zeros((height, width), np.uint8)
        cv2.fillPoly(inside, [outline - [x, y]], 1)
        score = cv2.mean(heat[y : y + height, x : x + width], inside)[0]
        if score >= _SCORE:
            found.append(_grown(rectangle, score))
            if len(found) >= most:
                break
    return found


def _grown(rectangle: Any, score: float) -> TextBox:
    """The core's rectangle, larger by area / perimeter on all sides, its width along what lies."""
    (x, y), _, _ = rectangle
    corners = cv2.boxPoints(rectangle)
    first, second = corners[1] - corners[0], corners[2] - corners[1]
    if abs(first[0]) < abs(first[1]):
        first, second = second, first
    if first[0] < 0:
        first = -first
    width, height = float(np.hypot(*first)), float(np.hypot(*second))
    grow = _GROWTH * width * height / (width + height)  # on both sides together
    angle = math.degrees(math.atan2(float(first[1]), float(first[0])))
    return TextBox(float(x), float(y), width + grow, height + grow, angle, float(score))


def _tiles(picture: Pixels) -> list[tuple[int, int, Pixels]]:
    """Cut where there is least to cut through, along the longer side, until each part is small enough."""
    tiles = []
    todo = [(0, 0, picture)]
    while todo:
        x, y, part = todo.pop()
        height, width = part.shape[:2]
        if (height + _STEP) * (width + _STEP) <= _TILE_PIXELS or max(height, width) < 64:
            tiles.append((x, y, part))
        elif height >= width:
            cut = _quiet_cut(part)
            todo += [(x, y, part[:cut]), (x, y + cut, part[cut:])]
        else:
            cut = _quiet_cut(part.transpose(1, 0, 2))
            todo += [(x, y, part[:, :cut]), (x + cut, y, part[:, cut:])]
    return tiles


def _quiet_cut(part: Pixels) -> int:
    """The row near the middle along which the picture changes least."""
    height = int(part.shape[0])
    low, high = height * 2 // 5, height * 3 // 5
    rows = part[low:high, :, 1].astype(np.int16)
    change = np.abs(np.diff(rows, axis=1)).mean(axis=1)
    # a band of quiet rows, not a single one between two letters
    smooth = np.convolve(change, np.ones(9) / 9, mode="same")
    return low + int(smooth.argmin())
