"""How a model writes a tool call: the text around its name and arguments, and whether it was trained on tools.

`dialect_of` tells it from the model's chat template. tool_messages.py renders in a dialect, tool_grammar.py forces it,
tool_parser.py reads it. All of them write a call in exactly one way, which is the one that these models were shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["HERMES", "LLAMA", "MAX_CALLS", "PLAIN", "Dialect", "dialect_of"]

MAX_CALLS = 8  # in one answer: without a bound, a small model can go on calling until its context is full
INPUT, INPUT_END = '", "input": <input>', "</input>"


@dataclass(frozen=True, slots=True)
class Dialect:
    """A call is head, the name, middle, the arguments' JSON, tail. A custom tool's input, which is raw text, stands
    between marks instead: head, the name, INPUT, the input, INPUT_END, tail.
    """

    name: str
    head: str
    middle: str
    tail: str
    between: str  # two calls
    trained: bool
    """The template takes tools, and the model decides by itself, while it writes, whether it calls one."""
    trigger: str
    """The beginning of a call, which text cannot contain; where text begins with it, if `anywhere` is false."""
    anywhere: bool = False  # a call can follow text
    most_calls: int = MAX_CALLS
    prefix: str = ""  # a special token that may come first

    def call(self, name: str, arguments: str, custom: bool = False) -> str:
        """As it is put into a prompt, for a model whose template knows no calls."""
        middle, end = (INPUT, INPUT_END + self.tail) if custom else (self.middle, self.tail)
        return f"{self.head}{name}{middle}{arguments}{end}"


HERMES = Dialect(
    name="hermes",
    head='<tool_call>\n{"name": "',
    middle='", "arguments": ',
    tail="}\n</tool_call>",
    between="\n",
    trained=True,
    trigger="<tool_call>",
    anywhere=True,
)
LLAMA = Dialect(
    name="llama",
    head='{"name": "',
    middle='", "parameters": ',
    tail="}",
    between="; ",
    trained=True,
    trigger='{"name": "',
    most_calls=1,  # their template takes one call per message
    prefix="<|python_tag|>",
)
PLAIN = Dialect(
    name="plain",
    head='{"name": "',
    middle='", "arguments": ',
    tail="}",
    between="\n",
    trained=False,
    trigger='{"name": "',
    most_calls=4,  # it does not know when to stop
)


def dialect_of(template: str | None, special: Collection[str] = ()) -> Dialect:
    """special: the texts of the model's control tokens. A template that takes tools in a form that is not known here
    gets them as text, like one that takes none; so does one whose marks are control tokens, which never become text.
    """
    if template is None or not re.search(r"\btools\b", template):
        return PLAIN
    if HERMES.trigger in template:
        known = '"arguments"' in template and "<function=" not in template and HERMES.trigger not in special
        return HERMES if known else PLAIN
    return LLAMA if '"parameters"' in template and "ipython" in template else PLAIN
