"""The errors of Spatz, drawn as a tree. Each knows how a person is told; request errors also know the API's shape.

SpatzError
├── ConfigError            a flag, variable or file of the operator's is wrong
├── WeightsError           a model file is damaged, unsupported or untrue to its description
│   └── DownloadError      weights could not be fetched or did not match their checksum
└── RequestError           a request cannot be served; carries status, type, param and code
    ├── ContextLengthError
    ├── OverloadedError    no room in the queue (429) or shutting down (503)
    └── RateLimitError     a key has used up what it may use (429)
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "ContextLengthError",
    "DownloadError",
    "OverloadedError",
    "RateLimitError",
    "RequestError",
    "SpatzError",
    "WeightsError",
]


class SpatzError(Exception):
    """Base of all errors that are meant for a person. str(error) is one clear line."""


class ConfigError(SpatzError):
    """A flag, environment variable or configuration file is wrong."""


class WeightsError(SpatzError):
    """A model file is damaged, unsupported or untrue to its description."""


class DownloadError(WeightsError):
    """Weights could not be fetched, or did not match their checksum."""


class RequestError(SpatzError):
    """A request that cannot be served, in the API's shape: {"error": {message, type, param, code}}."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.param = param
        self.code = code

    def body(self) -> dict[str, dict[str, str | None]]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class ContextLengthError(RequestError):
    """Prompt and answer do not fit. param is "messages" in chat, "prompt" in completions, "input" in responses."""

    def __init__(self, message: str, *, param: str = "messages") -> None:
        super().__init__(message, param=param, code="context_length_exceeded")


class OverloadedError(RequestError):
    """The queue is full, or the server is stopping. retry_after is in seconds."""

    def __init__(self, message: str, *, status: int = 429, retry_after: int = 1) -> None:
        super().__init__(message, status=status, type="requests", code="rate_limit_exceeded")
        self.retry_after = retry_after


class RateLimitError(RequestError):
    """A key has used up what it may use. kind: "requests" or "tokens". retry_after: seconds; None: it is no use."""

    def __init__(self, message: str, *, kind: str, retry_after: float | None) -> None:
        super().__init__(message, status=429, type=kind, code="rate_limit_exceeded")
        self.retry_after = retry_after
