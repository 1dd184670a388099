"""Takes single black and white pixels off a bad scan: recognition reads them as dots, commas and accents.

Only where there are many of them: a clean picture keeps its dots, which have more than one pixel, or grey around them.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from spatz.inputs.text_detector import Pixels

__all__ = ["without_specks"]

_STEP: Final = 60  # from every pixel around
_MANY: Final = 3e-4  # of all pixels
_RING: Final = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)


def without_specks(picture: Pixels) -> Pixels:
    """The picture itself, where there are none."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    darker = cv2.subtract(cv2.erode(grey, _RING), grey) > _STEP
    lighter = cv2.subtract(grey, cv2.dilate(grey, _RING)) > _STEP
    specks = darker | lighter
    if specks.mean() < _MANY:
        return picture
    cleaned = picture.copy()
    cleaned[specks] = cv2.medianBlur(picture, 3)[specks]
    return cleaned
