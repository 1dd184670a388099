"""Tools, calls and results as messages of the model's chat template.

A template that takes tools gets them in the form of Hugging Face's templates. For every other one they are described in
the system message, and calls and results are told by the user. Nothing is rendered here (chat_template.py), and control
tokens in what tools say are taken care of in build.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spatz.prompt.dialect import Dialect
from spatz.prompt.tool_schema import NOTHING
from spatz.prompt.turn import Message, Tool, ToolCall

__all__ = ["described", "hf_tools", "messages_for"]

INPUT_PARAMETERS = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def messages_for(messages: Sequence[Message], tools: Sequence[Tool], dialect: Dialect) -> list[Message]:
    """As the template takes them. tools: those that the model is told of."""
    if dialect.trained:
        return [rendered for message in messages for rendered in _trained(message, dialect)]
    plain = _plain(messages)
    return _with_tools(plain, described(tools, dialect)) if tools else plain


def hf_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """What a template that takes tools is given. A custom tool is a function of one text to it."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": INPUT_PARAMETERS if tool.kind == "custom" else dict(tool.parameters or NOTHING),
            },
        }
        for tool in tools
    ]


def described(tools: Sequence[Tool], dialect: Dialect) -> str:
    """For the system message of a model that was never shown tools: short, because it reads every word of it."""
    lines = []
    for tool in tools:
        line = f"- {tool.name}: {tool.description}" if tool.description else f"- {tool.name}"
        if tool.kind == "function" and tool.parameters is not None:
            shown = {key: value for key, value in tool.parameters.items() if key != "$schema"}
            line += f"\n  Arguments: {json.dumps(shown, ensure_ascii=False)}"
        lines.append(line)
    # How a call is written is said once for each kind of tool.
    custom = any(tool.kind == "custom" for tool in tools)
    forms = [dialect.call("NAME", "ARGUMENTS")] if any(tool.kind == "function" for tool in tools) else []
    forms += [dialect.call("NAME", "INPUT", custom=True)] if custom else []
    end = f"To call a tool, answer with {' or '.join(forms)} and nothing else."
    return "\n".join(["You can call these tools:", *lines, end])


def _trained(message: Message, dialect: Dialect) -> Iterator[Message]:
    calls: list[ToolCall] = message.get("tool_calls") or []
    if not calls:
        yield message
        return
    rest = {key: value for key, value in message.items() if key != "tool_calls"}
    rendered = [_hf_call(call) for call in calls]
    if len(rendered) <= dialect.most_calls:
        yield {**rest, "tool_calls": rendered}
        return
    # Their results follow in the same order; a template that takes one call per message does not mind where they stand.
    for place, call in enumerate(rendered):
        yield {**rest, "content": rest.get("content") if place == 0 else "", "tool_calls": [call]}


def _hf_call(call: ToolCall) -> dict[str, Any]:
    arguments: Any = {"input": call.arguments} if call.kind == "custom" else _object(call.arguments)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _object(arguments: str) -> Any:
    """Templates write arguments as JSON themselves. What a client sends back need not be JSON."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return value if isinstance(value, Mapping) else arguments


def _plain(messages: Sequence[Message]) -> list[Message]:
    """A small model copies a call that it has seen itself write instead of reading its result, so a call is told
    together with its result, by the user.
    """
    calls = {call.id: call for message in messages for call in message.get("tool_calls") or []}
    result: list[Message] = []
    told = False  # the last message tells results
    for message in messages:
        if message["role"] == "tool":
            call = calls.get(message.get("tool_call_id", ""))
            what = f"{call.name}({call.arguments})" if call is not None else "the tool"
            _append(result, _told(f"Result of {what}: ", message["content"]))
            told = True
        elif message.get("tool_calls"):
            if said := _text(message.get("content")):
                result.append({"role": "assistant", "content": said})
        elif message["role"] == "user" and told:
            _append(result, _parts(message["content"]))
            told = False
        else:
            result.append(message)
            told = False
    return result


def _told(before: str, content: Any) -> list[dict[str, Any]]:
    """A result with what stands before it. What was read of images and files stays a part of its own."""
    if isinstance(content, str) or not any(part.get("source") is not None for part in content or ()):
        return [{"type": "text", "text": f"{before}{_text(content)}", "kind": "document"}]
    return [
        {"type": "text", "text": before.rstrip(), "kind": "document"},
        *({**part, "kind": "document"} for part in content),
    ]


def _append(result: list[Message], parts: list[dict[str, Any]]) -> None:
    """To what the user said last, if nothing was said since: some templates want the two to take turns."""
    if result and result[-1]["role"] == "user":
        last = result.pop()
        result.append({**last, "content": [*_parts(last["content"]), *parts]})
    else:
        result.append({"role": "user", "content": parts})


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def _text(content: Any) -> str:
    return "\n".join(part["text"] for part in _parts(content))


def _with_tools(messages: list[Message], text: str) -> list[Message]:
    first = messages[0] if messages else {"role": "", "content": ""}
    if first["role"] not in ("system", "developer"):
        return [{"role": "system", "content": text}, *messages]
    return [{**first, "content": [*_parts(first["content"]), {"type": "text", "text": text}]}, *messages[1:]]
