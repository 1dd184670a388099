"""`text` of a request for a response: the answer's format, flat as this API spells it, and its verbosity."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from spatz.prompt.strict_schema import check_strict
from spatz.prompt.turn import GrammarFormat, JsonFormat, OutputFormat
from spatz.server.chat_format import NAME, JsonObjectFormat, TextFormat, branch, known
from spatz.server.fields import Strict, problem

__all__ = ["TextConfig"]


class JsonSchemaFormat(Strict):
    type: Literal["json_schema"]
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None
    description: Annotated[str, Field(max_length=16_384)] | None = None


class GrammarTextFormat(Strict):
    """An extension: the answer is a text of this grammar."""

    type: Literal["grammar"]
    syntax: Literal["lark", "regex"]
    definition: Annotated[str, Field(min_length=1, max_length=1 << 20)]


AnyFormat = Annotated[
    Annotated[
        Annotated[TextFormat, Tag("~text")]
        | Annotated[JsonObjectFormat, Tag("~json_object")]
        | Annotated[JsonSchemaFormat, Tag("~json_schema")]
        | Annotated[GrammarTextFormat, Tag("~grammar")],
        Discriminator(branch),
    ],
    BeforeValidator(known),
]


def _verbosity(value: Any) -> Any:
    if value in ("low", "high"):
        raise problem(
            "unsupported_value",
            f"Unsupported value: '{value}' is not supported with this model. Supported values are: 'medium'.",
        )
    return value


class TextConfig(Strict):
    format: AnyFormat | None = None
    verbosity: Annotated[Literal["medium"], BeforeValidator(_verbosity)] | None = None

    def output_format(self) -> OutputFormat | None:
        """Raises RequestError for a strict schema that is not one of strict mode."""
        wanted = self.format
        if isinstance(wanted, JsonObjectFormat):
            return JsonFormat()
        if isinstance(wanted, JsonSchemaFormat):
            if wanted.strict:
                check_strict(wanted.schema_, wanted.name, "text.format.schema", "invalid_json_schema")
            return JsonFormat(wanted.schema_, wanted.name, bool(wanted.strict))
        if isinstance(wanted, GrammarTextFormat):
            return GrammarFormat(wanted.syntax, wanted.definition)
        return None

    def body(self) -> dict[str, Any]:
        """As the response repeats it."""
        wanted = self.format
        if isinstance(wanted, JsonSchemaFormat):
            format: dict[str, Any] = {
                "type": "json_schema",
                "description": wanted.description,
                "name": wanted.name,
                "schema": wanted.schema_,
                "strict": bool(wanted.strict),
            }
        else:
            format = {"type": "text"} if wanted is None else wanted.model_dump()
        return {"format": format, "verbosity": self.verbosity or "medium"}
