"""The recognition models that rapidocr's wheel carries (PP-OCRv6, Apache-2.0), as onnxruntime sessions.

Only the files are used: rapidocr's own loader would fetch a model that its settings name and that is not there, and a
server must not. A wheel without them is an error that says so. What the models' inputs and outputs mean is in
text_detector.py and text_recogniser.py.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Final

from spatz.inputs.document import InputError

__all__ = ["DETECTION", "RECOGNITION", "open_session"]

DETECTION: Final = "PP-OCRv6_det_small.onnx"
RECOGNITION: Final = "PP-OCRv6_rec_small.onnx"


def open_session(name: str, threads: int) -> Any:
    """An onnxruntime.InferenceSession. Its threads sleep when they wait: the cores beside them generate tokens."""
    path = _model_file(name)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Every page has other shapes: memory is kept for reuse, but not in doubling steps, and not planned by shape.
    options.enable_mem_pattern = False
    providers = [("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})]
    return onnxruntime.InferenceSession(str(path), options, providers=providers)


def _model_file(name: str) -> Path:
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None or importlib.util.find_spec("onnxruntime") is None:
        raise _unavailable("rapidocr and onnxruntime are not installed")
    path = Path(spec.origin).parent / "models" / name
    if not path.is_file():
        raise _unavailable(f"the installed rapidocr has no {name}")
    return path


def _unavailable(why: str) -> InputError:
    return InputError(
        f"This server cannot read text in images: {why} (pip install 'spatz[documents]').",
        code="image_reading_unavailable",
        status=501,
    )
