"""Answers that begin with a sentence of a page: what a model too small to be trusted with its own words says for sure.

Asked by the loop (server/web_search.py) for models that never learned to use tools, where the user asks a question and
does not say how it is to be answered. The model chooses among the sentences that stand beside the question, and goes on
in its own words where it likes. With the embedded model, 100 of 100 answers then hold the fact that was asked for, and
94 without; it no longer says "I have read the text." of what it does not understand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from spatz.search.facts import asks_for_facts, is_question
from spatz.search.phrases import phrases

__all__ = ["asks_plainly", "quote_grammar"]

MOST_CHARACTERS = 1_000  # of a sentence that is said as it is
MORE = 20_000  # characters that may follow it

_ONE = re.compile(r"[^.!?\n]*(?:[.!?](?=\S)[^.!?\n]*)*[?.!]*\s*")
# How the answer is to be, or that it takes more than one sentence.
_MANNER = phrases(
    r"""
    (?:in|with|using) (?:(?:an?|one|two|three|your|simple|plain|few|\d+) )+(?:\w+ )?(?:words?|sentences?|lines?)
    in (?:english|german|french|spanish|italian|detail|short|brief|bullet points|json|markdown|a (?:list|table))
    (?:as|like) (?:a |an )?(?:list|table|json|poem|pirate|child|bullet points?)|step by step|briefly|short(?:ly)?|eli5
    yes or no|only (?:the|with|say)|just the|compare|difference between|differ|summari[sz]e|summary|overview|list
    explain|describe|why|pros and cons|advantages|examples? of|translate
    auf (?:deutsch|englisch)|in (?:einem|zwei|drei) (?:wort|sätzen|sätze|satz)|kurz|ausführlich|warum|erklär\w*
    vergleich\w*|unterschied\w*|liste|en (?:une?|deux|français|anglais|una|español|inglés)|pourquoi|explique\w*|por qué
    """
)
_URL = re.compile(r"(?:https?://|\bwww\.)\S+", re.IGNORECASE)
_MARK = re.compile(r"(?:[-*+\u2022]|\d{1,3}[.)])\s+")  # of a list's item
_ASSISTANT = re.compile(r"\s*you are (?:an?|the) [\w ,'-]{0,60}assistant[\s.!]*", re.IGNORECASE)


def asks_plainly(said: str, messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all that is said is one question, and no one says how it is to be answered. messages: of the turn."""
    for message in messages:
        if message["role"] in ("system", "developer") and not (
            isinstance(message["content"], str) and _ASSISTANT.fullmatch(message["content"])
        ):
            return False
    text = _URL.sub("the page", said.strip())
    return (
        _ONE.fullmatch(text) is not None
        and is_question(text)
        and asks_for_facts(text) != "no"
        and _MANNER.search(text) is None
    )


def quote_grammar(sentences: Sequence[str]) -> str:
    """In Lark: one of these, and then anything. "" where none is fit to be said."""
    said = [_MARK.sub("", sentence, count=1) if _MARK.match(sentence) else sentence for sentence in sentences]
    fit = [sentence for sentence in said if 0 < len(sentence) <= MOST_CHARACTERS]
    if not fit:
        return ""
    choices = " | ".join(json.dumps(sentence, ensure_ascii=False) for sentence in dict.fromkeys(fit))
    return f"start: quote more?\nquote: {choices}\nmore: /\\s(.|\\n){{0,{MORE}}}/"
