"""A part of a message that is not text yet: an image or a file, as a request or a command gave it.

It says where the bytes are, and nothing has been looked at. What it becomes is a `Document` (document.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Detail", "InputPart", "file_data_part"]

Detail = Literal["auto", "low", "high"]


@dataclass(frozen=True, slots=True)
class InputPart:
    """Exactly one of url, data and file_id is given."""

    kind: Literal["image", "file"]
    # The part's path in the request, for errors: "messages[0].content[1].image_url.url". It says nothing of what it is.
    param: str = field(compare=False)
    url: str = ""  # data:, http: or https:
    data: bytes | None = None  # read already (a command's file)
    file_id: str = ""  # of a stored file
    filename: str = ""  # what the sender calls it; never a path that is opened
    detail: Detail = "auto"


def file_data_part(param: str, file_data: str, filename: str, detail: Detail = "auto") -> InputPart:
    """A file whose data is a data: URL, or nothing but the base64 of one."""
    url = file_data if file_data[:5].lower() == "data:" else f"data:;base64,{file_data}"
    return InputPart("file", param, url, filename=filename, detail=detail)
