"""The lines of a batch's input: read one at a time, and checked all before any is run.

Checked is what makes a file a batch (JSON, ids, methods, URLs, one model). What the endpoint says of a body is that
line's own answer, as in the API. Errors are collected, so that a file can be repaired at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from pydantic_core import from_json, to_json

__all__ = ["MAX_BYTES", "MAX_LINES", "Checked", "Line", "LineError", "check_lines", "read_line", "read_lines"]

MAX_LINES = 50_000
MAX_BYTES = 200_000_000
MAX_ID = 512  # characters
MAX_ERRORS = 100  # that are told
KEYS = frozenset({"custom_id", "method", "url", "body"})


@dataclass(frozen=True, slots=True)
class LineError:
    """Something wrong with the input, as the batch tells it. line counts from 1; None is the whole file."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "param": self.param, "line": self.line}


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    custom_id: str
    body: bytes  # JSON


@dataclass(slots=True)
class Checked:
    total: int = 0
    model: str | None = None
    errors: list[LineError] = field(default_factory=list)


def read_lines(file: BinaryIO, most: int) -> Iterator[tuple[int, bytes]]:
    """(number, line) of all that are not blank. Of a line longer than `most` bytes only one byte more than those."""
    number = 0
    while line := file.readline(most + 1):
        number += 1
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(1 << 20)
        if line.strip():
            yield number, line.rstrip(b"\r\n")


def check_lines(
    file: BinaryIO,
    size: int,
    endpoint: str,
    names: Sequence[str] | None,
    most: int,
    stop: Callable[[], bool] = lambda: False,
) -> Checked:
    """All lines, in the caller's thread.

    names: of the model; None takes any. most: bytes of one line. stop: asked now and then.
    """
    checked = Checked()
    if size > MAX_BYTES:
        message = f"The input file has {size} bytes, but a batch may have at most {MAX_BYTES}."
        checked.errors.append(LineError("file_too_large", message))
        return checked
    seen: dict[str, int] = {}
    for number, data in read_lines(file, most):
        checked.total += 1
        if checked.total > MAX_LINES:
            message = f"The input file has more requests than the {MAX_LINES} that a batch may have."
            checked.errors = [LineError("too_many_tasks", message)]
            break
        if len(checked.errors) < MAX_ERRORS:
            for error in _check(number, data, endpoint, names, most, checked, seen):
                checked.errors.append(error)
        if checked.total % 256 == 0 and stop():
            break
    if not checked.total:
        checked.errors.append(LineError("empty_file", "The input file has no requests."))
    return checked


def read_line(number: int, data: bytes) -> Line:
    """A line that has been checked."""
    value = from_json(data, allow_inf_nan=False)
    return Line(number, value["custom_id"], to_json(value["body"]))


def _check(
    number: int,
    data: bytes,
    endpoint: str,
    names: Sequence[str] | None,
    most: int,
    checked: Checked,
    seen: dict[str, int],
) -> Iterator[LineError]:
    if len(data) > most:
        message = f"This line is longer than the {most} bytes that a request may have."
        yield LineError("line_too_long", message, None, number)
        return
    try:
        value = from_json(data, allow_inf_nan=False)
    except ValueError:
        yield LineError("invalid_json_line", "This line is not parseable as valid JSON.", None, number)
        return
    if not isinstance(value, dict):
        yield LineError("invalid_json_line", "This line is not a JSON object.", None, number)
        return
    for key in ("custom_id", "method", "url", "body"):
        if key not in value:
            yield LineError("missing_required_parameter", f"Missing required parameter: '{key}'.", key, number)
    for key in value.keys() - KEYS:
        shown = key[:100]
        yield LineError("unknown_parameter", f"Unknown parameter: '{shown}'.", shown, number)
    yield from _check_id(number, value, seen)
    if value.get("method", "POST") != "POST":
        yield LineError("invalid_method", "The method of a request has to be 'POST'.", "method", number)
    if value.get("url", endpoint) != endpoint:
        message = f"The URL provided for this request does not match the batch endpoint '{endpoint}'."
        yield LineError("url_mismatch", message, "url", number)
    if "body" in value:
        yield from _check_body(number, value["body"], names, checked)


def _check_id(number: int, value: dict[str, Any], seen: dict[str, int]) -> Iterator[LineError]:
    if "custom_id" not in value:
        return
    custom_id = value["custom_id"]
    if not isinstance(custom_id, str) or not custom_id or len(custom_id) > MAX_ID:
        message = f"Invalid 'custom_id': expected a string of 1 to {MAX_ID} characters."
        yield LineError("invalid_value", message, "custom_id", number)
    elif custom_id in seen:
        message = f"The custom_id '{custom_id[:100]}' is a duplicate of that in line {seen[custom_id]}."
        yield LineError("duplicate_custom_id", message, "custom_id", number)
    else:
        seen[custom_id] = number


def _check_body(number: int, body: Any, names: Sequence[str] | None, checked: Checked) -> Iterator[LineError]:
    if not isinstance(body, dict):
        yield LineError("invalid_type", "Invalid type for 'body': expected an object.", "body", number)
        return
    for key in ("stream", "background"):
        if body.get(key) is True:
            message = f"Unsupported parameter: '{key}' has no place in the requests of a batch."
            yield LineError("unsupported_parameter", message, f"body.{key}", number)
    model = body.get("model")
    if not isinstance(model, str):
        yield LineError("missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model", number)
    elif names is not None and model not in names:
        message = f"The model '{model[:100]}' does not exist or you do not have access to it."
        yield LineError("model_not_found", message, "body.model", number)
    elif checked.model not in (None, model):
        message = f"All requests of a batch must use the same model: '{checked.model}' before, '{model}' here."
        yield LineError("model_mismatch", message, "body.model", number)
    else:
        checked.model = model
