"""Tools, calls and results as messages of the model's chat template.

A template that takes tools gets them in the form of Hugging Face's templates. For every other one they are described in
the system message, calls are what the model would have written, and results are told by the user. Nothing is rendered
here (chat_template.py), and control tokens in what tools say are taken care of in build.py.
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
    plain = _plain(messages, dialect)
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
    form = dialect.call("NAME", "ARGUMENTS")
    end = f"To call a tool, answer with {form} and nothing else."
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


def _plain(messages: Sequence[Message], dialect: Dialect) -> list[Message]:
    names = {call.id: call.name for message in messages for call in message.get("tool_calls") or []}
    result: list[Message] = []
    for message in messages:
        if message["role"] == "tool":
            name = names.get(message.get("tool_call_id", ""), "the tool")
            part = {"type": "text", "text": f"Result of {name}: {_text(message['content'])}", "kind": "document"}
            _say(result, part, joins=True)
        elif calls := message.get("tool_calls"):
            written = [dialect.call(call.name, call.arguments, call.kind == "custom") for call in calls]
            said = [text] if (text := _text(message.get("content"))) else []
            result.append({"role": "assistant", "content": dialect.between.join([*said, *written])})
        elif message["role"] == "user" and result and isinstance(result[-1]["content"], list):
            for part in _parts(message["content"]):
                _say(result, part, joins=True)
        else:
            result.append(message)
    return result


def _say(result: list[Message], part: dict[str, Any], *, joins: bool) -> None:
    """Results of several calls, and what the user says next, are one message: some templates want turns in turn."""
    if joins and result and result[-1]["role"] == "user" and isinstance(result[-1]["content"], list):
        result[-1]["content"].append(part)
    else:
        result.append({"role": "user", "content": [part]})


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def _text(content: Any) -> str:
    return "\n".join(part["text"] for part in _parts(content))


def _with_tools(messages: list[Message], text: str) -> list[Message]:
    first = messages[0] if messages else {"role": "", "content": ""}
    if first["role"] not in ("system", "developer"):
        return [{"role": "system", "content": text}, *messages]
    return [{**first, "content": [*_parts(first["content"]), {"type": "text", "text": text}]}, *messages[1:]]
