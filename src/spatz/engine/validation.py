"""Requests are checked here, once, before they reach the queue: every number has a range, and NaN is in none.

Called by the engine's `submit` in the caller's thread. The messages and codes are the API's; the server above has
checked types and fields already, so this is the last line, and the only one that knows the model's vocabulary and size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatz.engine.request import Request, SamplingParams
from spatz.errors import ContextLengthError, RequestError

__all__ = [
    "MAX_OUTPUT_TOKENS",
    "MAX_STOPS",
    "MAX_STOP_CHARS",
    "answer_limit",
    "check_fits",
    "check_params",
    "token_array",
]

MAX_OUTPUT_TOKENS = 32_768
MAX_STOPS = 16  # the chat API allows 4, which the server checks
MAX_STOP_CHARS = 4_096
_INT64 = 1 << 63


def check_params(params: SamplingParams, vocab: int) -> None:
    """Raise RequestError for the first value that is out of its range."""
    _decimal("temperature", params.temperature, 0.0, 2.0)
    _decimal("top_p", params.top_p, 0.0, 1.0)
    _decimal("min_p", params.min_p, 0.0, 1.0)
    _decimal("presence_penalty", params.presence_penalty, -2.0, 2.0)
    _decimal("frequency_penalty", params.frequency_penalty, -2.0, 2.0)
    _decimal("repetition_penalty", params.repetition_penalty, 0.01, 100.0)
    _integer("top_k", params.top_k, 0, None)
    _integer("n", params.n, 1, 128)
    if params.seed is not None:
        _integer("seed", params.seed, -_INT64, _INT64 - 1)
    if params.logprobs is not None:
        _integer("top_logprobs", params.logprobs, 0, 20)
    if params.prompt_logprobs is not None:
        _integer("prompt_logprobs", params.prompt_logprobs, 0, 20)
    _check_max_tokens(params)
    _check_stop(params.stop)
    for token, bias in params.logit_bias.items():
        if not _is_integer(token) or not 0 <= token < vocab:
            shown = _shown(token) if _is_integer(token) else repr(token)
            raise _invalid(
                "logit_bias", f"Invalid 'logit_bias': {shown} is not a token id of this model (0 to {vocab - 1})."
            )
        _decimal("logit_bias", bias, -100.0, 100.0)


def check_fits(request: Request, size: int, context_length: int) -> None:
    """Raises ContextLengthError if a prompt of that size and the answer asked for do not fit."""
    param = request.source
    words = param if param in ("messages", "input") else "prompt"
    limit = f"This model's maximum context length is {context_length} tokens."
    asked = request.params.max_tokens
    if size > context_length or (size == context_length and asked != 0):
        message = f"{limit} However, your {words} resulted in {size} tokens."
        if size == context_length:
            message += " That leaves no room for an answer."
        raise ContextLengthError(f"{message} Please reduce the length of the {words}.", param=param)
    if asked is not None and size + asked > context_length:
        raise ContextLengthError(
            f"{limit} However, you requested {size + asked} tokens ({size} in the {words}, {asked} in the completion). "
            f"Please reduce the length of the {words} or completion.",
            param=param,
        )


def answer_limit(params: SamplingParams, prompt_tokens: int, context_length: int) -> int:
    """How many tokens a choice may have, for a request that passed the checks."""
    room = context_length - prompt_tokens
    return min(room, MAX_OUTPUT_TOKENS if params.max_tokens is None else params.max_tokens)


def token_array(request: Request, vocab: int) -> NDArray[np.int32]:
    """The prompt as an array [P]. Raises RequestError for what are no tokens of the model."""
    if not len(request.prompt):
        raise _invalid(request.source, f"Invalid '{request.source}': the prompt has no tokens.")
    try:
        wide = np.asarray(request.prompt)
        if wide.ndim != 1 or wide.dtype.kind not in "iu":
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise _invalid(request.source, f"Invalid '{request.source}': token ids must be integers.") from None
    if int(wide.min()) < 0 or int(wide.max()) >= vocab:
        bad = next(int(token) for token in wide if not 0 <= int(token) < vocab)
        raise _invalid(
            request.source, f"Invalid '{request.source}': {bad} is not a token id of this model (0 to {vocab - 1})."
        )
    return np.ascontiguousarray(wide, dtype=np.int32)


def _check_max_tokens(params: SamplingParams) -> None:
    asked = params.max_tokens
    if asked is None:
        return
    if _is_integer(asked) and asked > MAX_OUTPUT_TOKENS:
        raise _invalid(
            "max_tokens",
            f"max_tokens is too large: {_shown(asked)}. This model supports at most {MAX_OUTPUT_TOKENS} completion "
            f"tokens, whereas you provided {_shown(asked)}.",
        )
    # Nothing to generate is a request only where the prompt itself is to be scored.
    _integer("max_tokens", asked, 1 if params.prompt_logprobs is None else 0, None)


def _check_stop(stops: Sequence[str]) -> None:
    if isinstance(stops, str) or not all(isinstance(stop, str) for stop in stops):
        raise _invalid("stop", "Invalid 'stop': expected an array of strings.")
    if len(stops) > MAX_STOPS:
        raise _invalid(
            "stop",
            f"Invalid 'stop': array too long. Expected an array with maximum length {MAX_STOPS}, "
            f"but got an array with length {len(stops)} instead.",
            "array_above_max_length",
        )
    for stop in stops:
        if not stop:
            raise _invalid("stop", "Invalid 'stop': a stop string must not be empty.")
        if len(stop) > MAX_STOP_CHARS:
            raise _invalid(
                "stop",
                f"Invalid 'stop': string too long. Expected a string with maximum length {MAX_STOP_CHARS}, "
                f"but got a string with length {len(stop)} instead.",
                "string_above_max_length",
            )


def _decimal(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(name, f"Invalid type for '{name}': expected a decimal.", "invalid_type")
    if not low <= value <= high:  # also refuses NaN
        side, sign, bound = ("above_max", "<=", high) if value > high else ("below_min", ">=", low)
        if isinstance(value, float) and math.isnan(value):
            raise _invalid(name, f"Invalid '{name}': expected a number, but got NaN instead.")
        words = "above maximum" if side == "above_max" else "below minimum"
        raise _invalid(
            name,
            f"Invalid '{name}': decimal {words} value. Expected a value {sign} {bound:g}, "
            f"but got {_shown(value)} instead.",
            f"decimal_{side}_value",
        )


def _integer(name: str, value: int, low: int, high: int | None) -> None:
    if not _is_integer(value):
        raise _invalid(name, f"Invalid type for '{name}': expected an integer.", "invalid_type")
    if value < low or (high is not None and value > high):
        side, sign, bound = ("below_min", ">=", low) if value < low else ("above_max", "<=", high)
        words = "above maximum" if side == "above_max" else "below minimum"
        raise _invalid(
            name,
            f"Invalid '{name}': integer {words} value. Expected a value {sign} {bound}, "
            f"but got {_shown(value)} instead.",
            f"integer_{side}_value",
        )


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: float) -> str:
    if isinstance(value, int):
        return str(value) if abs(value) < _INT64 else "a larger integer"  # thousands of digits cannot be formatted
    return f"{value:g}"


def _invalid(param: str, message: str, code: str = "invalid_value") -> RequestError:
    return RequestError(message, param=param, code=code)
