"""The chat template of a model: messages to the text that the model was trained on.

The template comes with the model's file and is rendered in a bounded sandbox (sandbox.py). It sees what Hugging Face's
templates expect: messages, add_generation_prompt, bos_token, eos_token, raise_exception, strftime_now and tojson.
Which parts of the text are messages, and how it becomes tokens, is decided in build.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn

from jinja2.exceptions import TemplateError, TemplateSyntaxError

from spatz.errors import RequestError, WeightsError
from spatz.prompt.bounded import Budget
from spatz.prompt.sandbox import BoundedEnvironment

__all__ = ["ChatTemplate"]

_MAX_SOURCE = 256 << 10  # characters; the longest known have some 20,000
_MAX_DATE_FORMAT = 100


class _Refused(TemplateError):
    """What a template says through raise_exception."""


def _raise_exception(message: object) -> NoReturn:
    raise _Refused(str(message)[:500])


class ChatTemplate:
    """A compiled template. Safe to share between threads."""

    def __init__(
        self,
        source: str,
        *,
        bos_token: str = "",
        eos_token: str = "",
        budget: Budget | None = None,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """budget: what one rendering may cost, beyond the messages themselves. Raises WeightsError."""
        if len(source) > _MAX_SOURCE:
            raise WeightsError(
                f"the chat template has {len(source)} characters, more than the {_MAX_SOURCE} that are sane"
            )
        self.source = source
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self._budget = budget or Budget(characters=1 << 20)
        self._now = now
        self._environment = BoundedEnvironment()
        self._environment.globals |= {"raise_exception": _raise_exception, "strftime_now": self._strftime}
        try:
            self._template = self._environment.from_source(source)
        except TemplateSyntaxError as error:
            raise WeightsError(f"the chat template is damaged: line {error.lineno}: {error.message}") from None
        except Exception as error:  # RecursionError, or Python's own compiler: whatever a hostile template can provoke
            raise WeightsError(f"the chat template cannot be compiled: {_brief(error)}") from None

    def _strftime(self, format: str) -> str:
        if len(format) > _MAX_DATE_FORMAT or re.search(r"%[^a-zA-Z%-]", format):
            raise TemplateError("the date format is not sane")
        return self._now().strftime(format)

    @cached_property
    def takes_parts(self) -> bool:
        """Whether it reads a message's content as a list of parts alone, as those of models that see do."""
        probe = "\U000f0003"

        def shows(content: object) -> bool:
            try:
                return probe in self.render([{"role": "user", "content": content}])
            except RequestError:
                return False

        return not shows(probe) and shows([{"type": "text", "text": probe}])

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        add_generation_prompt: bool = True,
    ) -> str:
        """tools: in the form of Hugging Face's templates, for a template that takes them. Raises RequestError if the
        template refuses the messages, fails on them, or costs too much.
        """
        size = sum(_size(value) for message in messages for value in message.values())
        calls = [message["tool_calls"] for message in messages if message.get("tool_calls")]
        if tools or calls:
            size += len(json.dumps([*tools, *calls]))
        budget = replace(self._budget, characters=self._budget.characters + 8 * size)
        try:
            with self._environment.spending(budget):
                return self._template.render(
                    messages=[dict(message) for message in messages],
                    add_generation_prompt=add_generation_prompt,
                    tools=[dict(tool) for tool in tools] or None,
                    documents=None,
                    **self._tokens,
                )
        except _Refused as error:
            raise RequestError(f"The model's chat template refuses these messages: {error}", param="messages") from None
        except Exception as error:  # whatever a hostile template can provoke
            raise RequestError(
                f"The model's chat template fails on these messages: {_brief(error)}", param="messages"
            ) from None


def _size(value: Any) -> int:
    """Characters of a content; calls are counted apart."""
    if isinstance(value, str):
        return len(value)
    return sum(len(part.get("text", "")) for part in value if "type" in part) if isinstance(value, list) else 0


def _brief(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
