"""What imitates the form of a prompt on a page: control tokens and roles of chat templates, calls of tools.

Tells stretches of a text that are to be left out; care.py does it. The words of orders are orders.py's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from spatz.search.orders import Words

__all__ = ["imitations"]

MOST_BETWEEN = 4_000  # characters between what opens and what closes a turn or a call

_TOKEN = re.compile(
    r"<\|[\w .:/-]{1,40}\|>|<\uff5c[^\n\uff5c]{1,40}\uff5c>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS?|TOOL_RESULTS)\]|<</?SYS>>"
    r"|</?(?:start_of_turn|end_of_turn|bos|eos|tool_calls?|tool_code|tool_response|tool_result|tool_use|tools"
    r"|function_calls?|function_results?|"
    r"function=[\w.:-]{1,60}|parameter=[\w.:-]{1,60}|invoke\b[^>\n]{0,100}|antml:\w+[^>\n]{0,100}|think|thinking"
    r"|system|system_prompt|"
    r"system-reminder|assistant|instructions?|im_start|im_end)\s*/?>"
)
# What is written in angle brackets for other reasons, too, counts only alone at the start of a line.
_TAG = re.compile(r"</?(?:tools|think|thinking|system|assistant|instructions?|bos|eos)\s*/?>")
# Begin -> end of what is said between them.
_PAIRS = {
    "<|im_start|>": "<|im_end|>",
    "[INST]": "[/INST]",
    "<<SYS>>": "<</SYS>>",
    "<start_of_turn>": "<end_of_turn>",
    "<|start_header_id|>": "<|eot_id|>",
    "<tool_call>": "</tool_call>",
    "<tool_calls>": "</tool_calls>",
    "<tool_response>": "</tool_response>",
    "<function_call>": "</function_call>",
    "<function_calls>": "</function_calls>",
    "<system>": "</system>",
    "<system-reminder>": "</system-reminder>",
    "<instructions>": "</instructions>",
    "<think>": "</think>",
    "<|system|>": "<|end|>",
}
_FENCE = re.compile(
    r"^[ \t]*```+[ \t]*(?:tool_code|tool_calls?|function_calls?|tool_use|tool_outputs?|system)\b[^\n]*$", re.MULTILINE
)
_FENCES = ("```tool", "``` tool", "```func", "``` func", "```system", "``` system")
_KEYS = re.compile(
    r"[\"'](?:tool_calls?|function_calls?|tool_uses?|tool_input)[\"']\s*:"
    r"|[\"'](?:name|tool|tool_name|function|action|recipient_name)[\"']\s*:\s*[\"'{][^\n]{0,200}?\s*[^{}]{0,200}?"
    r"[\"'](?:arguments|parameters|action_input|tool_input|args)[\"']\s*:\s*[{\"']"
)
_JSON = (
    'arguments"',
    "arguments'",
    'parameters"',
    "parameters'",
    'tool_call"',
    'tool_calls"',
    'function_call"',
    "tool_use",
    'action_input"',
    "tool_input",
    'args"',
)
_REACT = re.compile(
    r"^[ \t>*-]*Action:[^\n]{1,200}\n(?:[^\n]{0,200}\n)?[ \t>*-]*Action Input:", re.MULTILINE | re.IGNORECASE
)

_ROLE = re.compile(
    r"^[ \t>*_-]{0,6}(?:\#{1,6}[ \t]*)?[*_\[(<]{0,3}(system|assistant|human|ai|user|developer|chatbot|bot"
    r"|instruction|response|nutzer|benutzer|assistent|"
    r"utilisateur|usuario|asistente|sistema|syst\u00e8me)[*_\])>]{0,3}[ \t]?:[*_]{0,2}[ \t]*([^\n]*)",
    re.MULTILINE | re.IGNORECASE,
)
_HEADED = re.compile(
    r"^[ \t>]{0,4}\#{2,4}[ \t]*(?:instruction|response|human|assistant|system|user|input)s?[ \t]*:",
    re.MULTILINE | re.IGNORECASE,
)
_ADDRESSED = re.compile(
    r"\b(?:you(?:r|'re)?|ignore|must|answer|respond|assistants?|user|instructions?|override|prompt|du|dein|musst"
    r"|ignoriere|vous|tu|votre|ignorez|eres|debes|ignora)\b",
    re.IGNORECASE,
)
_HEADS = (
    *("system:", "assistant:", "human:", "ai:", "chatbot:", "instruction:", "response:"),
    *("assistent:", "asistente:", "sistema:", "systeme:"),
)
_ANSWER = re.compile(r"(?<!\w)A:[ \t*]*([^\n]{1,80})")
_QUESTION = re.compile(r"^[ \t>*#-]{0,6}Q:", re.MULTILINE)
SHOTS = 3
NEAR = 1_500  # characters within which two roles make a dialogue


def imitations(text: str, words: Words) -> Iterator[tuple[int, int, bool]]:
    """Start and end, and whether the rest of the paragraph belongs to it. words: the text's own, folded."""
    if any(
        piece in words.joined
        for piece in ("<", "[inst", "[/inst", "[system", "[/system", "[tool", "[/tool", "[available")
    ):
        yield from _tokens(text)
    if any(fence in text for fence in _FENCES):
        for fence in _FENCE.finditer(text):
            close = text.find("\n```", fence.end())
            yield fence.start(), close + 4 if 0 <= close < fence.end() + MOST_BETWEEN else fence.end(), True
    if any(word in words.joined for word in ("arguments", "parameters", "tool", "function", "input", "args")):
        yield from _calls(text)
    if "a:" in words.joined and "q:" in words.joined:
        yield from _shots(text)
    if "action" in words.joined and "input:" in words.joined:
        yield from ((*react.span(), True) for react in _REACT.finditer(text))
    marked = any(mark in text for mark in ("*:", "_:", "]:"))
    if any(role in words.joined or (marked and role[:-1] in words.joined) for role in _HEADS):
        yield from _roles(text)


def _shots(text: str) -> Iterator[tuple[int, int, bool]]:
    """Questions and answers that all have one answer: examples for a model, of what it is to say."""
    answers = list(_ANSWER.finditer(text))
    if len(answers) >= SHOTS and len({answer[1].strip().lower() for answer in answers}) == 1:
        for answer in answers:
            # On its own line, or on the one before.
            near = text[max(0, answer.start() - 300) : answer.start()]
            question = next(reversed(list(_QUESTION.finditer(near))), None)
            asked = answer.start() - len(near) + question.start() if question else answer.start()
            yield asked, answer.end(), False


def _tokens(text: str) -> Iterator[tuple[int, int, bool]]:
    for found in _TOKEN.finditer(text):
        if _TAG.fullmatch(found[0]) and not _alone(text, found):
            continue
        start, end = found.span()
        closing = _PAIRS.get(found[0])
        if closing and (close := text.find(closing, end, end + MOST_BETWEEN)) >= 0:
            end = close + len(closing)
        yield start, end, True


def _alone(text: str, found: re.Match[str]) -> bool:
    """It begins its line, and what follows there is no code."""
    start = text.rfind("\n", 0, found.start()) + 1
    return not text[start : found.start()].strip(" \t>*")


def _calls(text: str) -> Iterator[tuple[int, int, bool]]:
    for piece in _JSON:
        place = text.find(piece)
        while place >= 0:
            if call := _KEYS.search(text, max(0, place - 300), place + 60):
                yield call.start(), call.end(), True
            place = text.find(piece, place + 300)


def _roles(text: str) -> Iterator[tuple[int, int, bool]]:
    for headed in _HEADED.finditer(text):
        yield *headed.span(), True
    marks = [(mark.start(), mark.end(), mark[1].lower(), mark[2]) for mark in _ROLE.finditer(text)]
    for number, (start, end, role, said) in enumerate(marks):
        others = {
            marks[place][2]
            for place in (number - 1, number + 1)
            if 0 <= place < len(marks) and abs(marks[place][0] - start) < NEAR
        }
        dialogue = bool(others - {role}) and bool(
            {role, *others} & {"assistant", "ai", "human", "chatbot", "assistent", "asistente"}
        )
        if dialogue or (
            role not in ("user", "response", "instruction", "nutzer", "benutzer", "utilisateur", "usuario")
            and _ADDRESSED.search(said)
        ):
            yield start, end, not dialogue
