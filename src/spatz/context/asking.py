"""Words that ask: what tells an instruction from the text around it, and says nothing about what is looked for.

A question mark does so in most writing; the words are English. They decide only where the form leaves it open.
"""

from __future__ import annotations

import re

__all__ = ["asks", "ends_asking", "is_frame"]

_MARKS = ("?", "\uff1f", "\u061f", "\u037e")
_BEGINNINGS = re.compile(
    r"(?:please\s+|now\s+)?(?:what|who|whose|whom|when|where|why|how|which|is|are|does|do|did|can|could|find|list|give|"
    r"tell|name|answer|summari[sz]e|explain|describe|extract|return|repeat|write|count|compare|translate|identify|show|"
    r"quote|read|use|using|based on|according to|in the (?:text|document|code|file|list)|from the|question|q|task|"
    r"instructions?|you are given|here is|here are|below is|the following)\b",
    re.IGNORECASE,
)
_FRAME = frozenset(
    re.findall(
        r"\w+",
        """
        a an the is are was were be of in on at to for from with by and or not it its this that these those there as do
        does did what who whom whose when where why how which all any each one me my you your i we us please answer
        question questions text document documents mentioned mention above below following given list give tell find
        name say says said only just number numbers value values exactly return reply respond using use based according
        provided context information have has had can could would should will if into about s t
        """,
    )
)


def asks(text: bytes) -> bool:
    """Whether a paragraph or line looks like one that asks for something."""
    lines = text.decode("utf-8", "replace").strip().splitlines()
    if not lines:
        return False
    if any(mark in line for line in lines for mark in _MARKS):
        return True
    return any(_BEGINNINGS.match(line.strip(" \t#*->\"'")) is not None for line in (lines[0], lines[-1]))


def ends_asking(text: bytes) -> bool:
    """Whether it ends with a question mark, or quotation marks and the like behind one."""
    return text.decode("utf-8", "replace").rstrip(" \t\r\n\"')]*_`\u201d\u00bb").endswith(_MARKS)


def is_frame(form: str) -> bool:
    """Whether a case-folded word is one that questions are made of, whatever they are about."""
    return form in _FRAME
