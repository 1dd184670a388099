"""What the tables of request fields are made of: a field is honoured, as seen here or in a named test, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from spatz.engine.request import Request
from spatz.prompt.turn import Turn

Answer = dict[str, Any]
Table = dict[str, list["Honoured | Elsewhere | Refused"]]


class Sight(NamedTuple):
    """What can be seen of a request that was served."""

    request: Request  # the engine's
    answer: Answer
    turn: Turn | None  # what the prompt was made of; legacy completions have none


class Honoured(NamedTuple):
    """A value, what is seen of it, and what else the request needs."""

    value: Any
    seen: Callable[[Sight], bool]
    extra: dict[str, Any] = {}  # noqa: RUF012 (never changed)


class Elsewhere(NamedTuple):
    """The test that sees the effect: FILE::FUNCTION below tests/."""

    test: str


class Refused(NamedTuple):
    """A value and its error. message: where the API has words of its own for it."""

    value: Any
    param: str | None
    code: str | None
    extra: dict[str, Any] = {}  # noqa: RUF012
    message: str | None = None
    status: int = 400


def param(name: str, value: Any) -> Honoured:
    """Honoured by handing it to the engine under the same name."""
    return Honoured(value, lambda sight: getattr(sight.request.params, name) == value)


def shown(name: str, value: Any) -> Honoured:
    """Repeated in the answer."""
    return Honoured(value, lambda sight: sight.answer[name] == value)


def unsupported(name: str, value: Any) -> Refused:
    return Refused(
        value,
        name,
        "unsupported_parameter",
        message=f"Unsupported parameter: '{name}' is not supported with this model.",
    )
