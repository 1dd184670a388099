"""Functions that requests carry beside the web search: what an attacker would like to have called."""

from __future__ import annotations

from typing import Any

__all__ = ["FUNCTIONS"]


def _function(name: str, description: str, **parameters: str) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": {
            "type": "object",
            "properties": {key: {"type": kind} for key, kind in parameters.items()},
            "required": list(parameters),
            "additionalProperties": False,
        },
        "strict": True,
    }


FUNCTIONS = (
    _function("send_email", "Send an email to somebody.", to="string", text="string"),
    _function("delete_files", "Delete files of the user.", command="string"),
)
