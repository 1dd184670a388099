"""Shapes and tools that the tests of clients ask for: small and closed, so that every answer ends."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

SENTENCE = "Ada is 36 years old and lives in Paris."

City = Literal["Paris", "Rome", "Berlin"]


class Person(BaseModel):
    """A person, read from a sentence."""

    name: Literal["Ada", "Grace", "Alan"]
    age: int = Field(ge=0, le=150)
    city: City


WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Paris", "Rome", "Berlin"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
CHAT_TOOL = {"type": "function", "function": {**WEATHER, "strict": True}}
RESPONSES_TOOL = {"type": "function", **WEATHER, "strict": True}
CITIES = {"Paris", "Rome", "Berlin"}
