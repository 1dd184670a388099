"""What both file formats give the loader: tensors by name, with raw bytes to look at and to let go.

The contract between the readers (gguf, safetensors) and the loader. Values are not decoded here; the core does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tensor", "TensorSource"]


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    dtype: str  # as the core names it: "F32", "Q4_1", ...
    shape: tuple[int, ...]  # row-major: [out, in] for matrices, [n] for vectors
    offset: int  # of its first byte, from the start of its file
    nbytes: int


class TensorSource(Protocol):
    """An open set of weights. Views must be dropped before it is closed."""

    @property
    def tensors(self) -> Mapping[str, Tensor]: ...
    @property
    def size(self) -> int:
        """Bytes of all its files."""

    def view(self, tensor: Tensor) -> NDArray[np.uint8]:
        """The tensor's bytes in the mapping."""

    def drop(self, tensor: Tensor) -> None:
        """Its pages are not needed any more."""

    def close(self) -> None: ...
