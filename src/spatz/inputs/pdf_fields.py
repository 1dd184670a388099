"""What was filled into a PDF's form, and typed onto its pages: lines at the place where a viewer shows them.

A page's text layer has none of it. Fields that are hidden or hold a password are left out.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pypdfium2.raw as pdfium

from spatz.inputs.lines import Line
from spatz.inputs.pdf_frame import Frame
from spatz.inputs.pdf_letters import clean

__all__ = ["read_fields"]

MAX_FIELDS = 2_000  # of one page
MAX_VALUE = 1 << 16  # bytes of UTF-16
HIDDEN = 2 | 32  # PDF 32000-1, table 165: hidden, no view
PASSWORD = 1 << 13  # table 228


def read_fields(page: Any, form: Any, frame: Frame, turns: int) -> list[Line]:
    """form: the document's FPDF_FORMHANDLE; None where it has no form."""
    lines = []
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), MAX_FIELDS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            if not pdfium.FPDFAnnot_GetFlags(annotation) & HIDDEN:
                lines += lines_at(annotation, value_of(annotation, form), frame, turns)
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
    return lines


def value_of(annotation: Any, form: Any) -> str:
    kind = pdfium.FPDFAnnot_GetSubtype(annotation)
    if kind == pdfium.FPDF_ANNOT_FREETEXT:
        return string(lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(annotation, b"Contents", buffer, size))
    if kind != pdfium.FPDF_ANNOT_WIDGET or form is None:
        return ""
    field = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if field in (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON):
        state = string(lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(annotation, b"AS", buffer, size))
        return "[ ]" if state in ("", "Off") else "[x]"  # what is shown; IsChecked wants it to have been clicked
    texts = (pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX)
    if field not in texts or pdfium.FPDFAnnot_GetFormFieldFlags(form, annotation) & PASSWORD:
        return ""
    return string(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldValue(form, annotation, buffer, size))


def lines_at(annotation: Any, value: str, frame: Frame, turns: int) -> list[Line]:
    """A value's lines, one below the other."""
    texts = [clean(text)[0] for text in value.splitlines()]
    texts = [text for text in texts if text]
    box = pdfium.FS_RECTF()
    if not texts or not pdfium.FPDFAnnot_GetRect(annotation, ctypes.byref(box)):
        return []
    x0, y0, x1, y1 = frame.place((box.left, box.bottom, box.right, box.top), turns)
    width, height = frame.size(turns)
    if not (x0 < width and y0 < height and x1 > 0 and y1 > 0):
        return []
    step = (y1 - y0) / len(texts)
    size = max(1.0, min(12.0, 0.8 * step))
    if len(texts) == 1:
        y0, step = (y0 + y1 - size) / 2, size
    return [
        Line(
            text,
            (x0, y0 + step * row, max(x0 + 1.0, min(x1, x0 + 0.5 * size * len(text))), y0 + step * row + size),
            None,
            size,
        )
        for row, text in enumerate(texts)
    ]


def string(get: Callable[[Any, int], int]) -> str:
    """What a function of pdfium that fills a buffer with UTF-16 gives; it tells how many bytes it wants."""
    size = min(get(None, 0), MAX_VALUE)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    # The buffer's type is another for each function.
    if get(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size) > size:
        return ""
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")
