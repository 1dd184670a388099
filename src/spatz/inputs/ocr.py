"""A picture -> the lines of text on it, upright and in place: detection, turning, recognition.

One reader serves a process: made at the first picture, for it holds two models (31 MB). Pictures that lie on a side or
stand on their head are turned, tilted ones straightened, small ones enlarged. The lines come in no order; layout.py
puts them into one.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Final

import cv2
import numpy as np

from spatz.inputs.lines import Line, Sheet
from spatz.inputs.rules import find_rules
from spatz.inputs.specks import without_specks
from spatz.inputs.text_crop import Crop, cut_out
from spatz.inputs.text_detector import Pixels, TextBox, TextDetector
from spatz.inputs.text_lines import even_sizes, lines_of
from spatz.inputs.text_recogniser import Reading, TextRecogniser

__all__ = ["Scan", "TextReader", "text_reader"]

_LOOK_PIXELS: Final = 800_000  # what detection looks at first: a page's letters are 12 pixels high then
_MAX_ENLARGED: Final = 1.5
_SMALL: Final = 15.0  # height of boxes, as detection sees them, below which it looks again at a larger scale
_ENOUGH: Final = 20.0
_MOST_LOOKED_AT: Final = 6_000_000
_CONTRAST: Final = 12  # between a picture's lightest and darkest value, below which there is nothing on it
_TILTED: Final = 0.4  # degrees
_SURE: Final = 0.9  # mean confidence of upright text
_READABLE_TURNED: Final = 0.75  # and what a picture must have to be turned for it
_SAMPLE: Final = 4
_READABLE: Final = 0.5  # what is less sure is texture, not text
_WARP_SIDE: Final = 30_000  # cv2 turns nothing larger


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found on a picture, in the pixels of the picture as it was turned."""

    sheet: Sheet
    picture: Pixels  # turned and straightened
    quarter_turns: int  # clockwise, 0..3
    tilt: float  # degrees that it was turned back
    dropped: int  # boxes in which nothing could be read


class TextReader:
    def __init__(self, threads: int) -> None:
        cv2.setNumThreads(1)  # its own threads would only meet those of the models
        self._detector = TextDetector(threads)
        self._recogniser = TextRecogniser(threads)

    def scan(self, picture: Pixels) -> Scan:
        picture = without_specks(picture)
        boxes, scale = self._look(picture)
        turns = 0
        if _stands(boxes):
            picture, boxes, turns = *_quarter_turn(picture, boxes), 1
        tilt = _tilt(boxes)
        if abs(tilt) > _TILTED and max(picture.shape[:2]) < _WARP_SIDE:
            picture = _straightened(picture, tilt)
            boxes = self._detector.find(picture, scale)
        else:
            tilt = 0.0
        crops = cut_out(picture, boxes)
        known = self._sample(crops)
        if self._on_its_head(crops, known):
            picture, boxes = _quarter_turn(*_quarter_turn(picture, boxes))
            crops, known, turns = cut_out(picture, boxes), {}, turns + 2
        lines, dropped = self._lines(crops, known)
        lines = even_sizes(lines)
        height, width = picture.shape[:2]
        sheet = Sheet(float(width), float(height), lines, find_rules(picture, lines))
        return Scan(sheet, picture, turns, tilt, dropped)

    def _look(self, picture: Pixels) -> tuple[list[TextBox], float]:
        """Boxes, and the scale at which they were found."""
        pixels = picture.shape[0] * picture.shape[1]
        if int(picture.max()) - int(picture.min()) < _CONTRAST:
            return [], 1.0
        scale = min(_MAX_ENLARGED, (_LOOK_PIXELS / pixels) ** 0.5)
        boxes = self._detector.find(picture, scale)
        if not boxes:
            # Nothing, or letters too small for this scale.
            closer = min(1.0, (_MOST_LOOKED_AT / pixels) ** 0.5)
            if closer > 1.3 * scale:
                return self._detector.find(picture, closer), closer
            return boxes, scale
        heights = sorted(min(box.width, box.height) * scale for box in boxes)
        small = heights[len(heights) // 5]
        if small < _SMALL:
            closer = min(scale * min(2.5, _ENOUGH / small), 2.0, (_MOST_LOOKED_AT / pixels) ** 0.5)
            if closer > 1.15 * scale:
                return self._detector.find(picture, closer), closer
        return boxes, scale

    def _sample(self, crops: list[Crop]) -> dict[int, Reading]:
        """What a few lines say: long ones, and not the longest, which cost most."""
        lying = sorted((i for i, crop in enumerate(crops) if not crop.standing), key=lambda i: crops[i].pixels.shape[1])
        chosen = lying[len(lying) * 7 // 10 :][:_SAMPLE]
        return dict(zip(chosen, self._recogniser.read([crops[i].pixels for i in chosen]), strict=True))

    def _on_its_head(self, crops: list[Crop], known: dict[int, Reading]) -> bool:
        as_is = _confidence(known.values())
        if as_is >= _SURE:
            return False
        turned = [np.ascontiguousarray(crops[i].pixels[::-1, ::-1]) for i in known]
        return _confidence(self._recogniser.read(turned)) > max(as_is + 0.05, _READABLE_TURNED)

    def _lines(self, crops: list[Crop], known: dict[int, Reading]) -> tuple[list[Line], int]:
        """The lines, and in how many crops there were none."""
        lying = [i for i, crop in enumerate(crops) if not crop.standing and i not in known]
        readings = known | dict(zip(lying, self._recogniser.read([crops[i].pixels for i in lying]), strict=True))
        standing = [i for i, crop in enumerate(crops) if crop.standing]
        for i, best in zip(standing, self._standing([crops[i].pixels for i in standing]), strict=True):
            readings[i] = best
        found = [lines_of(crop, readings[i], _READABLE) for i, crop in enumerate(crops)]
        return [line for lines in found for line in lines], sum(not lines for lines in found)

    def _standing(self, pixels: list[Pixels]) -> list[Reading]:
        """Lines beside a page's own direction, up or down: what reads better."""
        up = self._recogniser.read([np.ascontiguousarray(np.rot90(line, -1)) for line in pixels])
        down = self._recogniser.read([np.ascontiguousarray(np.rot90(line)) for line in pixels])
        return [max(pair, key=lambda reading: reading.confidence) for pair in zip(up, down, strict=True)]


@cache
def text_reader() -> TextReader:
    """This process's reader: on two threads, where there are two cores."""
    return TextReader(min(2, len(os.sched_getaffinity(0))))


def _confidence(readings: Collection[Reading]) -> float:
    return fmean(reading.confidence for reading in readings) if readings else 1.0


def _stands(boxes: list[TextBox]) -> bool:
    """Whether the lines run from top to bottom: the picture lies on a side."""
    standing = sum(box.height for box in boxes if box.standing)
    return standing > sum(box.width for box in boxes if not box.standing)


def _tilt(boxes: list[TextBox]) -> float:
    """The angle of the lines, by the long ones: a short box's own angle says little."""
    long = sorted((box.angle, box.width) for box in boxes if box.width > 5 * box.height)
    total, passed = sum(width for _, width in long), 0.0
    for angle, width in long:
        passed += width
        if passed >= total / 2:
            return angle
    return 0.0


def _straightened(picture: Pixels, tilt: float) -> Pixels:
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), tilt, 1.0)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    wide, high = round(width * cos + height * sin), round(width * sin + height * cos)
    matrix[0, 2] += (wide - width) / 2
    matrix[1, 2] += (high - height) / 2
    paper = [int(value) for value in np.median(picture[:: max(1, height // 64), :: max(1, width // 64)], axis=(0, 1))]
    return cv2.warpAffine(picture, matrix, (wide, high), flags=cv2.INTER_CUBIC, borderValue=paper)  # type: ignore[no-any-return]


def _quarter_turn(picture: Pixels, boxes: list[TextBox]) -> tuple[Pixels, list[TextBox]]:
    """Clockwise."""
    height = picture.shape[0]
    turned = [TextBox(height - box.y, box.x, box.height, box.width, box.angle, box.score) for box in boxes]
    return np.ascontiguousarray(np.rot90(picture, -1)), turned
