"""docs/reference.md: the endpoints with their parameters, bodies and answers, made of the OpenAPI document.

`python -m spatz.server.reference` prints it; a test fails when the page is stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from spatz.server.openapi import document

__all__ = ["page"]


def page(api: dict[str, Any]) -> str:
    lines = [
        "# Endpoints",
        "",
        "<!-- Made by `python -m spatz.server.reference`; a test fails when it is stale. -->",
        "",
        "What each endpoint takes and gives, made of the same models that check the requests. [api.md](api.md) says",
        "what the fields do; [openapi.json](openapi.json) is this page for machines. Errors are the same everywhere:",
        "",
        "| status | |",
        "|---|---|",
    ]
    for name, answer in api["components"]["responses"].items():
        lines.append(f"| {name.removeprefix('Error')} | {answer['description']} |")
    tags: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            tags.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    for tag, found in tags.items():
        lines += ["", f"## {tag}"]
        for method, path, operation in found:
            lines += ["", f"### `{method} {path}`", "", f"{operation['summary']}.", ""]
            lines += _operation(api, operation)
    lines += ["", "## Objects"]
    for name in sorted(_answers(api)):
        schema = api["components"]["schemas"][name]
        lines += ["", f"### {name}", "", *_fields(schema)]
    return "\n".join(lines) + "\n"


def _operation(api: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    parameters = [item for item in operation.get("parameters", ()) if item["in"] == "query"]
    body = operation.get("requestBody", {}).get("content", {})
    schema: dict[str, Any] = next(iter(body.values()))["schema"] if body else {}
    if "$ref" in schema:
        schema = api["components"]["schemas"][_name(schema)]
    required = set(schema.get("required", ()))
    if parameters or schema:
        yield from ("| field | in | type | |", "|---|---|---|---|")
    for item in parameters:
        yield _row(item["name"], "query", item["schema"], bool(item.get("required")))
    where = "form" if "multipart/form-data" in body else "body"
    refused = []
    for name, field in schema.get("properties", {}).items():
        if field.get("type") == "null":
            refused.append(f"`{name}`")
        else:
            yield _row(name, where, field, name in required)
    if parameters or schema:
        yield ""
    if refused:
        yield from (f"Refused unless null: {', '.join(sorted(refused))}.", "")
    content = operation["responses"]["200"]["content"]
    gives = [_type(item["schema"]) if kind == "application/json" else f"`{kind}`" for kind, item in content.items()]
    yield f"Gives {', or '.join(gives)}."


def _row(name: str, where: str, schema: dict[str, Any], required: bool) -> str:
    notes = ["required"] if required else []
    if schema.get("default") is not None:
        notes.append(f"default `{json.dumps(schema['default'])}`")
    return f"| `{name}` | {where} | {_type(schema)} | {', '.join(notes)} |"


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    yield from ("| field | type |", "|---|---|")
    for name, field in schema.get("properties", {}).items():
        yield f"| `{name}` | {_type(field)} |"


def _type(schema: dict[str, Any]) -> str:
    """In few words: what a reader needs, not what a validator does."""
    if "$ref" in schema:
        return _name(schema)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(item) for item in schema[key]))
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(item)}`" for item in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"map of {_type(inner)}" if isinstance(inner, dict) and inner else "object"
    if kind in ("integer", "number"):
        return f"{kind}{_bounds(schema)}"
    return {"string": "text", "boolean": "true or false", "null": "null"}.get(str(kind), "any value")


def _bounds(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" {least:g} to {most:g}" if max(abs(least), abs(most)) < 1_000_000 else ""
    return ""


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _answers(api: dict[str, Any]) -> set[str]:
    """The names of all objects that answers are made of."""
    names: set[str] = set()
    waiting = []
    for operations in api["paths"].values():
        for operation in operations.values():
            for item in operation["responses"]["200"]["content"].values():
                waiting += [item["schema"], item.get("x-event-schema", {})]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            name = _name(value) if "$ref" in value else ""
            if name and name not in names:
                names.add(name)
                waiting.append(api["components"]["schemas"][name])
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return names


def main() -> None:
    from spatz.server.app import ROUTERS

    print(page(document(ROUTERS)), end="")


if __name__ == "__main__":
    main()
