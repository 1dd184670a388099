"""What a line of text says: small pictures of single upright lines -> characters with confidence and place.

The model reads strips of 48 pixels' height and answers with a character (or none) for every 8 pixels' width (CTC). It
costs by width, so strips are squeezed as far as it reads them equally well, and what it is unsure of is read again at
full width.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from spatz.inputs.ocr_model import RECOGNITION, open_session
from spatz.inputs.text_detector import Pixels

__all__ = ["Reading", "TextRecogniser"]

_HEIGHT: Final = 48
# Share of the strip's height that the letters take, and of their natural width. On 104 lines of four faces, clean and
# degraded: 0.11 % errors at 1 and 1, 0.12 % at 0.85 and 0.75 at 64 % of the cost, 0.23 % where both go to 0.65.
_TALL: Final = 0.85
_WIDE: Final = 0.75
_UNSURE: Final = 0.88  # mean confidence below which the full width is tried
_DENSE: Final = 0.78  # characters for every 8 pixels, above which doubled letters are lost
_LONGEST: Final = 3_200  # pixels of a strip; a longer line is squeezed into it
_BATCH_WIDTH: Final = 960  # short strips share a run up to this sum of widths


@dataclass(frozen=True, slots=True)
class Reading:
    text: str
    confidence: float  # mean over the characters; 0.0: nothing was read
    places: tuple[float, ...]  # where each character is, as a share of the line's width
    density: float = 0.0  # characters for each of the model's steps


class TextRecogniser:
    def __init__(self, threads: int) -> None:
        """threads: strips that are read at the same time, each on one thread: that costs less than sharing a strip."""
        self._session = open_session(RECOGNITION, 1)
        self._input = self._session.get_inputs()[0].name
        listed = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *listed, " "]  # 0 is CTC's blank
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="recognise") if threads > 1 else None

    def read(self, lines: Sequence[Pixels]) -> list[Reading]:
        """One reading for each line, in their order."""
        readings = self._read(lines, _TALL, _WIDE)
        unsure = [i for i, reading in enumerate(readings) if reading.confidence < _UNSURE or reading.density > _DENSE]
        if unsure:
            for i, again in zip(unsure, self._read([lines[i] for i in unsure], 1.0, 1.0), strict=True):
                if again.confidence > readings[i].confidence or len(again.text) > len(readings[i].text):
                    readings[i] = again
        return readings

    def _read(self, lines: Sequence[Pixels], tall: float, wide: float) -> list[Reading]:
        widths = [_strip_width(line, tall, wide) for line in lines]
        runs = _runs(widths)

        def one(run: list[int]) -> list[Reading]:
            return self._run([_strip(lines[i], widths[i], tall) for i in run])

        answers = self._pool.map(one, runs) if self._pool else map(one, runs)
        readings: list[Reading] = [Reading("", 0.0, ())] * len(lines)
        for run, answer in zip(runs, answers, strict=True):
            for i, reading in zip(run, answer, strict=True):
                readings[i] = reading
        return readings

    def _run(self, strips: list[npt.NDArray[np.uint8]]) -> list[Reading]:
        width = -(-max(strip.shape[1] for strip in strips) // 8) * 8
        values = np.zeros((len(strips), 3, _HEIGHT, width), np.float32)
        for place, strip in zip(values, strips, strict=True):
            framed = cv2.copyMakeBorder(strip, 0, 0, 0, width - strip.shape[1], cv2.BORDER_REPLICATE)
            np.multiply(framed.transpose(2, 0, 1), 1 / 127.5, out=place)
        values -= 1
        odds = self._session.run(None, {self._input: values})[0]  # [strips, width / 8, characters]
        best = odds.argmax(axis=2)
        sure = np.take_along_axis(odds, best[:, :, None], axis=2)[:, :, 0]
        return [
            self._decode(indices, chances, width / strip.shape[1])
            for indices, chances, strip in zip(best, sure, strips, strict=True)
        ]

    def _decode(self, indices: Any, chances: Any, stretch: float) -> Reading:
        new = indices != 0
        new[1:] &= indices[1:] != indices[:-1]
        steps = np.flatnonzero(new)
        if not len(steps):
            return Reading("", 0.0, ())
        text = "".join(self._characters[i] for i in indices[steps])
        places = (steps + 0.5) * (stretch / len(indices))
        density = len(text) / (len(indices) / stretch)
        return Reading(text, float(chances[steps].mean()), tuple(places.tolist()), density)


def _strip_width(line: Pixels, tall: float, wide: float) -> int:
    natural = float(line.shape[1]) * _HEIGHT * tall / line.shape[0]
    # What is short costs nothing, and a single digit gains by its width.
    width = int(natural * (wide if natural > 120 else 1.0) + 0.5)
    return min(_LONGEST, max(16, width))


def _strip(line: Pixels, width: int, tall: float) -> npt.NDArray[np.uint8]:
    height = round(_HEIGHT * tall)
    shrinks = height < line.shape[0] and width < line.shape[1]
    small = cv2.resize(line, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    above = (_HEIGHT - height) // 2
    framed = cv2.copyMakeBorder(small, above, _HEIGHT - height - above, 0, 0, cv2.BORDER_REPLICATE)
    return np.asarray(framed, np.uint8)


def _runs(widths: Sequence[int]) -> list[list[int]]:
    """Which strips are read together: such of nearly the same width. The widest first, so that threads end together."""
    runs: list[list[int]] = []
    total = 0
    for i in sorted(range(len(widths)), key=lambda i: -widths[i]):
        widest = widths[runs[-1][0]] if runs else 0
        if runs and total + widest <= _BATCH_WIDTH and widths[i] >= 0.8 * widest - 16:
            runs[-1].append(i)
            total += widest
        else:
            runs.append([i])
            total = widths[i]
    return runs
