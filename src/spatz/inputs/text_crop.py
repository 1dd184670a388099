"""Cuts lines of text out of a picture: a detector's rough box -> the letters' exact box and the pixels to be read.

Exact, because the layout aligns columns by edges and tells headings by height; and because what recognition costs and
gets right depends on how much of a strip the letters fill. Drawn lines beside the letters are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from spatz.inputs.lines import Box
from spatz.inputs.text_detector import Pixels, TextBox

__all__ = ["Crop", "cut_out"]

_MARGIN: Final = 0.15  # over and under the letters, of their height
_SIDE: Final = 0.4  # beside them: the first letter is lost where there is less
_TURNED: Final = 1.5  # degrees from which on a box is turned before it is cut


@dataclass(frozen=True, slots=True)
class Crop:
    pixels: Pixels  # upright, but for a standing line
    box: Box  # around the letters, in the picture
    standing: bool
    ink: npt.NDArray[np.bool_]  # [width of the box]: columns with something drawn
    margin: float  # of pixels beside the box, left, as a share of pixels' width
    span: float  # share of pixels' width that the box takes


@dataclass(frozen=True, slots=True)
class _Cut:
    area: Pixels
    left: int  # of the letters in the area
    top: int
    right: int
    bottom: int
    walls: tuple[int, int]  # nearest drawn lines beside them, or the area's sides
    ink: npt.NDArray[np.bool_]
    x: float  # of the area in the picture
    y: float
    standing: bool


def cut_out(picture: Pixels, boxes: Sequence[TextBox]) -> list[Crop]:
    cuts = [cut for cut in (_cut(picture, box) for box in boxes) if cut is not None]
    heights = [
        cut.bottom - cut.top for cut in cuts for _ in range(1 + (cut.right - cut.left) // 100) if not cut.standing
    ]
    typical = median(heights) if heights else 0.0
    return [_crop(cut, typical) for cut in cuts]


def _cut(picture: Pixels, box: TextBox) -> _Cut | None:
    height, width = picture.shape[:2]
    if abs(box.angle) > _TURNED and box.width > 3 * box.height:
        area = _turned(picture, box)
        x, y = box.x - area.shape[1] / 2, box.y - area.shape[0] / 2
    else:
        # A little more than the box: where detection looked at a small picture, it may cut letters.
        more = 0.25 * min(box.width, box.height)
        x0, x1 = max(0, int(box.x - box.width / 2 - more)), min(width, round(box.x + box.width / 2 + more) + 1)
        y0, y1 = max(0, int(box.y - box.height / 2)), min(height, round(box.y + box.height / 2) + 1)
        area, x, y = picture[y0:y1, x0:x1], float(x0), float(y0)
    if min(area.shape[:2]) < 3:
        return None
    if box.standing:
        whole = np.ones(area.shape[1], np.bool_)
        return _Cut(area, 0, 0, area.shape[1], area.shape[0], (0, area.shape[1]), whole, x, y, True)
    return _tight(area, x, y)


def _turned(picture: Pixels, box: TextBox) -> Pixels:
    matrix = cv2.getRotationMatrix2D((box.x, box.y), box.angle, 1.0)
    size = max(3, round(box.width + 0.5 * box.height)), max(3, round(box.height))
    matrix[0, 2] += size[0] / 2 - box.x
    matrix[1, 2] += size[1] / 2 - box.y
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[no-any-return]


def _tight(area: Pixels, x: float, y: float) -> _Cut:
    drawn = _drawn(area)
    high, wide = drawn.shape
    upright: npt.NDArray[np.bool_] = np.asarray(
        drawn.mean(axis=0) > 0.97
    )  # letters leave the box's margin free, a table's lines do not
    upright[wide // 5 : wide - wide // 5] &= wide > 2 * high
    lying = (drawn.mean(axis=1) > 0.85) & (wide > 3 * high)
    letters = drawn.copy()
    letters[:, upright] = False
    letters[lying] = False
    letters = _without_specks(letters, high)
    top, bottom = _band(letters.sum(axis=1) >= max(2, 0.005 * wide), max(2, high // 10))
    columns = np.any(letters[top:bottom], axis=0)
    found = np.flatnonzero(columns)
    if bottom - top < 0.3 * high or len(found) < 2:
        return _Cut(area, 0, 0, wide, high, (0, wide), np.ones(wide, np.bool_), x, y, False)
    left, right = int(found[0]), int(found[-1]) + 1
    drawn_lines = np.flatnonzero(upright)
    before, behind = drawn_lines[drawn_lines < left], drawn_lines[drawn_lines >= right]
    walls = (int(before[-1]) + 1 if len(before) else 0, int(behind[0]) if len(behind) else wide)
    return _Cut(area, left, top, right, bottom, walls, columns[left:right], x, y, False)


def _drawn(area: Pixels) -> npt.NDArray[np.bool_]:
    """What differs from the paper, dark on light or light on dark: the upper and lower border are paper."""
    grey = cv2.cvtColor(area, cv2.COLOR_BGR2GRAY)
    if grey.shape[0] > 16:
        grey = cv2.GaussianBlur(grey, (3, 3), 0)
    _, light = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    paper = light[[0, -1]].mean() + light[:, [0, -1]].mean() > 1.0
    return np.asarray(light == (0 if paper else 1))


def _without_specks(letters: npt.NDArray[np.bool_], high: int) -> npt.NDArray[np.bool_]:
    """Dots over letters are larger than the noise of a bad scan."""
    speck = (high / 13) ** 2
    if speck < 2:
        return letters
    _, labels, stats, _ = cv2.connectedComponentsWithStats(letters.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] > speck
    keep[0] = False
    return np.asarray(keep[labels], np.bool_)


def _band(rows: Any, bridge: int) -> tuple[int, int]:
    """The stretch of rows with most in it, and what is near to it: dots over letters are, the next line is not."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], rows.astype(np.int8), [0]))))
    runs = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    if not runs:
        return 0, 0
    main = max(range(len(runs)), key=lambda i: runs[i][1] - runs[i][0])
    top, bottom = runs[main]
    # What is cut by the box's border belongs to a neighbour.
    for a, b in reversed(runs[:main]):
        if top - b > bridge or a == 0:
            break
        top = a
    for a, b in runs[main + 1 :]:
        if a - bottom > bridge or b == len(rows):
            break
        bottom = b
    return top, bottom


def _crop(cut: _Cut, typical: float) -> Crop:
    box = (cut.x + cut.left, cut.y + cut.top, cut.x + cut.right, cut.y + cut.bottom)
    if cut.standing:
        return Crop(cut.area, box, True, cut.ink, 0.0, 1.0)
    height = cut.bottom - cut.top
    margin = max(2, round(_MARGIN * height))
    # Letters without an ascender keep their place between the lines: "o" is not to become "O".
    least = round(typical * (1 + 2 * _MARGIN)) if height > 0.4 * typical else 0
    above = max(margin, (least - height) // 2)
    top, bottom = max(0, cut.top - above), min(cut.area.shape[0], cut.bottom + above)
    side = round(_SIDE * height)
    left, right = max(cut.walls[0], cut.left - side), min(cut.walls[1], cut.right + side)
    pixels = cut.area[top:bottom, left:right]
    wide = right - left
    return Crop(pixels, box, False, cut.ink, (cut.left - left) / wide, (cut.right - cut.left) / wide)
