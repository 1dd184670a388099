"""What a chat template may cost: a budget, and the operations that could outgrow it, each checked before it is done.

Used by the environment in sandbox.py, which sees to it that templates reach no other operation that repeats or grows.
"""

from __future__ import annotations

import json
import string
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from itertools import count
from typing import Any

from jinja2 import pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, Undefined
from jinja2.utils import Namespace

__all__ = [
    "FILTERS",
    "OPERATORS",
    "STR_METHODS",
    "Budget",
    "BudgetError",
    "check_value",
    "current",
    "finalize",
    "join",
    "metered",
]

_MAX_INT_BITS = 64
_MAX_ITEMS = 100_000  # in a value, counting what is inside it as often as it appears


class BudgetError(SecurityError):
    """The template costs more than it may."""


@dataclass(slots=True)
class Budget:
    """What one rendering may cost."""

    steps: int = 2_000_000  # rounds of loops, calls, operators, texts written
    characters: int = 16 << 20  # written, and in any one text
    seconds: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _deadline: float | None = field(default=None, init=False)
    _written: int = field(default=0, init=False)

    def step(self, literal: int = 0) -> None:
        """One step, which writes so many characters of the template's own text."""
        now = self.clock()
        if self._deadline is None:
            self._deadline = now + self.seconds
        self.steps -= 1
        if self.steps < 0:
            raise BudgetError("it takes too many steps")
        if now > self._deadline:
            raise BudgetError("it takes too long")
        self.write(literal)

    def write(self, count: int) -> None:
        self._written += count
        self.check_text(self._written)

    def check_text(self, length: int) -> None:
        if length > self.characters:
            raise BudgetError("it makes too much text")


current: ContextVar[Budget] = ContextVar("spatz_template_budget")
"""The budget of the rendering that is under way."""


def check_value(value: Any) -> int:
    """Characters of the texts in a value. A list that holds another twice is as big as if it held two."""
    items = characters = 0
    rest = [value]
    while rest:
        item = rest.pop()
        items += 1
        if items > _MAX_ITEMS:
            raise BudgetError("it makes too large a value")
        if isinstance(item, str):
            characters += len(item)
        elif isinstance(item, Mapping):
            rest += [*item.keys(), *item.values()]
        elif isinstance(item, Namespace):
            rest += list(item._Namespace__attrs.values())
        elif isinstance(item, list | tuple | set | frozenset):
            rest += item
        elif isinstance(item, int):
            _check_int(item)
    current.get().check_text(characters)
    return characters


def _check_int(value: int) -> int:
    if value.bit_length() > _MAX_INT_BITS:
        raise BudgetError("it makes too large a number")
    return value


def _text(value: Any) -> str:
    """str(value), of a value that has been found small enough to write out."""
    if isinstance(value, str):
        return value
    check_value(value)
    return str(value)


@pass_context
def finalize(context: Context, value: Any) -> Any:
    # Also keeps the compiler from working constants out: it does that only where finalizing needs no context.
    if isinstance(value, Undefined):
        return value
    text = _text(value)
    current.get().step(len(text))
    return text


def metered(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose calls are steps, and whose arguments are small enough to be written out."""

    @wraps(function)  # copies jinja2's mark for filters that take the context or environment first
    def counted(*args: Any, **kwargs: Any) -> Any:
        current.get().step()
        for value in (*args, *kwargs.values()):
            if isinstance(value, list | tuple | dict | Namespace):
                check_value(value)
        return function(*args, **kwargs)

    return counted


def join(value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    parts = []
    total = 0
    for item in value:
        if attribute is not None:
            item = item[attribute]
        parts.append(_text(item))
        total += len(parts[-1]) + len(d)
        current.get().check_text(total)
    return d.join(parts)


def _format(template: str, *args: Any, **kwargs: Any) -> str:
    """str.format with plain fields alone: widths could be anything, and attributes lead to Python's internals."""
    parts: list[Any] = []
    unnamed = count()
    for literal, name, spec, conversion in string.Formatter().parse(template):
        parts.append(literal)
        if name is None:
            continue
        if spec or conversion or not (name == "" or name.isdigit() or name.isidentifier()):
            raise SecurityError(f"str.format can only fill plain fields here, not {name[:40]!r}")
        position = next(unnamed) if name == "" else int(name) if name.isdigit() else None
        parts.append(kwargs[name] if position is None else args[position])
    return join(parts)


def _join_by(separator: str, parts: Iterable[Any]) -> str:
    return join(parts, separator)


def _replace(value: Any, old: str, new: str, count: int | None = None) -> str:
    text, old, new = _text(value), _text(old), _text(new)
    found = text.count(old)
    current.get().check_text(len(text) + (found if count is None or count < 0 else min(found, count)) * len(new))
    return text.replace(old, new, -1 if count is None else count)


def _indent(value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    space = width if isinstance(width, str) else _repeat(" ", width)
    lines = _text(value).splitlines(keepends=True)
    current.get().check_text(sum(map(len, lines)) + len(lines) * len(space))
    return "".join(
        space + line if (index or first) and (blank or line.strip()) else line for index, line in enumerate(lines)
    )


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    check_value(value)
    if indent is not None and not 0 <= indent <= 16:
        raise BudgetError("it indents JSON too far")
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    current.get().check_text(len(text))
    return text


def _repeat(left: Any, right: Any) -> Any:
    sequence, count = (left, right) if isinstance(right, int) else (right, left)
    if not isinstance(count, int) or not isinstance(sequence, str | list | tuple):
        return left * right  # a TypeError, in Python's own words
    size = len(sequence) if isinstance(sequence, str) else check_value(sequence) + len(sequence) * 100
    current.get().check_text(size * max(0, count))
    return sequence * count


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        current.get().check_text(len(left) + len(right))
        return left + right
    result = left + right
    check_value(result)
    return result


def _multiply(left: Any, right: Any) -> Any:
    if isinstance(left, int | float) and isinstance(right, int | float):
        result = left * right
        return _check_int(result) if isinstance(result, int) else result
    return _repeat(left, right)


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > _MAX_INT_BITS:
        raise BudgetError("it makes too large a number")
    return left**right


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        raise SecurityError("formatting with % is not allowed in a chat template")
    return left % right


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {"+": _add, "*": _multiply, "**": _power, "%": _modulo}

FILTERS: dict[str, Callable[..., Any]] = {
    "join": join,
    "replace": _replace,
    "indent": _indent,
    "tojson": _tojson,
    "string": _text,
}
"""Instead of jinja2's."""

STR_METHODS: dict[str, Callable[..., Any]] = {"join": _join_by, "replace": _replace, "format": _format}
"""Instead of Python's. Called with the text first."""
