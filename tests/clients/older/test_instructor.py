"""instructor: objects instead of answers, by schema and by tool, over chat and Responses."""

from __future__ import annotations

import instructor
import pytest
from openai import OpenAI

from clients.asking import MODEL
from clients.things import SENTENCE, Person

MESSAGES = [{"role": "user", "content": SENTENCE}]


# Mode.JSON is left out: it tells the schema in words alone, which so small a model does not follow.
@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.TOOLS_STRICT, instructor.Mode.JSON_SCHEMA])
def test_modes(client: OpenAI, mode: instructor.Mode) -> None:
    asking = instructor.from_openai(client, mode=mode)
    found = asking.chat.completions.create(
        model=MODEL, response_model=Person, messages=MESSAGES, max_retries=0, temperature=0
    )
    assert isinstance(found, Person)


def test_responses(client: OpenAI) -> None:
    asking = instructor.from_openai(client, mode=instructor.Mode.RESPONSES_TOOLS)
    found = asking.responses.create(model=MODEL, input=SENTENCE, response_model=Person, max_retries=0, temperature=0)
    assert isinstance(found, Person)


def test_partial(client: OpenAI) -> None:
    asking = instructor.from_openai(client, mode=instructor.Mode.JSON_SCHEMA)
    *_, last = asking.chat.completions.create_partial(
        model=MODEL, response_model=Person, messages=MESSAGES, max_retries=0, temperature=0
    )
    assert Person.model_validate(last.model_dump())
