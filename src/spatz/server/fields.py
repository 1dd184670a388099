"""The types that request bodies are made of, shared by the routes: strict, bounded, and never silent.

`refused` declares a field of the API that this server does not serve: null is fine, anything else is an error that
names the field. A field that is declared nowhere is refused by `extra="forbid"`. problems.py makes API errors of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

__all__ = [
    "MAX_OUTPUT_TOKENS",
    "LogitBias",
    "MaxTokens",
    "Sampling",
    "SpatzOptions",
    "Stop",
    "StreamOptions",
    "Strict",
    "check_sources",
    "problem",
    "refused",
]

MAX_OUTPUT_TOKENS = 32_768


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True, protected_namespaces=())


def problem(code: str | None, message: str, param: str | None = "") -> PydanticCustomError:
    """An error in the API's words. param "": the place where it is raised; ".x": x below it; None: no place."""
    # The message is passed as a value: pydantic would take braces in it for placeholders.
    return PydanticCustomError("api", "{text}", {"text": message, "code": code, "param": param})


def _refuse(message: str, code: str) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if value is not None:
            raise problem(code, message)

    return check


def check_sources(**given: str | None) -> None:
    """One of these, and only one, says where the bytes are."""
    found = [name for name, value in given.items() if value is not None]
    names = ", ".join(f"'{name}'" for name in given)
    if not found:
        raise problem("missing_required_parameter", f"Missing required parameter: one of {names} must be provided.")
    if len(found) > 1:
        raise problem(
            "mutually_exclusive_parameters",
            f"Mutually exclusive parameters. Ensure you are only providing one of: {names}.",
        )


def refused(name: str, message: str = "", code: str = "unsupported_parameter") -> Any:
    """A field that only null passes."""
    text = message or f"Unsupported parameter: '{name}' is not supported with this model."
    return Annotated[Any, AfterValidator(_refuse(text, code)), Field(json_schema_extra={"type": "null"})]


def _stop(value: Any) -> Any:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list) and any(item == "" for item in value):
        raise problem("invalid_value", "Invalid 'stop': a stop sequence may not be empty.")
    return value


def _logit_bias(value: dict[str, float]) -> dict[str, float]:
    for key, bias in value.items():
        if not re.fullmatch(r"[0-9]{1,9}", key):
            shown = key[:40]
            raise problem("invalid_value", f"Invalid key in 'logit_bias': '{shown}'. Keys must be ids of tokens.")
        if not -100 <= bias <= 100 or math.isnan(bias):
            raise problem(
                "invalid_value", f"Invalid value in 'logit_bias': {bias} for token {key}. Expected -100 to 100."
            )
    return value


def _max_tokens(value: int) -> int:
    if value > MAX_OUTPUT_TOKENS:
        given = value if value.bit_length() < 128 else "a huge number"
        raise problem(
            "invalid_value",
            f"max_tokens is too large: {given}. This model supports at most {MAX_OUTPUT_TOKENS} completion tokens, "
            f"whereas you provided {given}.",
        )
    return value


StopText = Annotated[str, Field(max_length=1024)]
Stop = Annotated[list[StopText], Field(max_length=4), BeforeValidator(_stop, json_schema_input_type=str | list[str])]
LogitBias = Annotated[dict[str, float], AfterValidator(_logit_bias)]
MaxTokens = Annotated[int, AfterValidator(_max_tokens)]


class SpatzOptions(Strict):
    """What no other API has (`extra_body` of the SDK)."""

    context: Literal["auto", "exact", "routed", "skim"] | None = None


class StreamOptions(Strict):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None  # off unless asked for: it pads, and the padding costs bandwidth


class Sampling(Strict):
    """What chat and legacy completions have in common. The last five are extensions (`extra_body` of the SDK)."""

    model: Annotated[str, Field(max_length=512)]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: Stop | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: LogitBias | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Annotated[str, Field(max_length=512)] | None = None  # written to the access log, for the operator
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    ignore_eos: bool | None = None
    spatz: SpatzOptions | None = None

    def check_stream(self) -> None:
        if self.stream_options is not None and not self.stream:
            raise problem(
                None, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
            )

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def include_obfuscation(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_obfuscation)


ServiceTier = Literal["auto", "default"]
