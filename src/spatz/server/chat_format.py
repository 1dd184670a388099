"""response_format of chat completions: text, JSON, JSON of a schema, and (an extension) a grammar.

Strict schemas are checked here; whether a format can be compiled is found out when the turn is prepared.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from spatz.prompt.strict_schema import check_strict
from spatz.prompt.turn import GrammarFormat, JsonFormat, OutputFormat
from spatz.server.fields import Strict, problem

__all__ = ["NAME", "Grammar", "JsonObjectFormat", "ResponseFormat", "TextFormat", "branch", "known"]

NAME = r"^[a-zA-Z0-9_-]+$"
MAX_DEFINITION = 1 << 20
KINDS = ("text", "json_object", "json_schema", "grammar")


class TextFormat(Strict):
    type: Literal["text"]

    def wanted(self) -> OutputFormat | None:
        return None


class JsonObjectFormat(Strict):
    type: Literal["json_object"]

    def wanted(self) -> OutputFormat | None:
        return JsonFormat()


class JsonSchema(Strict):
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    description: Annotated[str, Field(max_length=16_384)] | None = None
    strict: bool | None = None


class JsonSchemaFormat(Strict):
    type: Literal["json_schema"]
    json_schema: JsonSchema

    def wanted(self) -> OutputFormat | None:
        """Raises RequestError for a strict schema that is not one of strict mode."""
        given = self.json_schema
        if given.strict:
            check_strict(given.schema_, given.name)
        return JsonFormat(given.schema_, given.name, bool(given.strict))


class Grammar(Strict):
    syntax: Literal["lark", "regex"]
    definition: Annotated[str, Field(min_length=1, max_length=MAX_DEFINITION)]

    def wanted(self) -> GrammarFormat:
        return GrammarFormat(self.syntax, self.definition)


class GrammarTextFormat(Strict):
    """An extension: the answer is a text of this grammar."""

    type: Literal["grammar"]
    grammar: Grammar

    def wanted(self) -> OutputFormat | None:
        return self.grammar.wanted()


def known(value: Any) -> Any:
    """Refuses a kind of format that there is not; Responses has the same kinds."""
    kind = value.get("type") if isinstance(value, dict) else "text"
    if kind is not None and kind not in KINDS:
        shown = f"'{kind[:50]}'" if isinstance(kind, str) else "not a string"
        names = ", ".join(f"'{name}'" for name in KINDS)
        raise problem("invalid_value", f"Invalid value: {shown}. Supported values are: {names}.", ".type")
    return value


def branch(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"~{kind}" if kind in KINDS else "~text"


ResponseFormat = Annotated[
    Annotated[
        Annotated[TextFormat, Tag("~text")]
        | Annotated[JsonObjectFormat, Tag("~json_object")]
        | Annotated[JsonSchemaFormat, Tag("~json_schema")]
        | Annotated[GrammarTextFormat, Tag("~grammar")],
        Discriminator(branch),
    ],
    BeforeValidator(known),
]
