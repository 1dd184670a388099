"""Schemathesis asks the whole API for what its OpenAPI document allows and forbids: over 5,000 requests.

In process, over the fake model and a database of its own. Whatever is sent, no answer may be a 5xx, and each has to be
one that the document describes: its status, its content type, its shape. The run is seeded and bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from server.fake import FakeModel
from server.reading import FakePool
from spatz.config import Settings
from spatz.server.app import create_app

WANTED = 5_000
EXAMPLES = 195  # of each operation; some have no more than a few
# Bodies of many kinds of items take long to make; two of these three share their items with POST /v1/responses.
COSTLY = (
    "POST /v1/conversations",
    "POST /v1/conversations/{conversation_id}/items",
    "POST /v1/responses/input_tokens",
)
COSTLY_EXAMPLES = 25
STATUSES = {200, 400, 401, 403, 404, 405, 409, 413, 415}


@dataclass
class Outcome:
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)  # with the command that shows each


def config() -> SchemathesisConfig:
    off = {"enabled": False}
    return SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "continue-on-failure": True,
            "generation": generation(EXAMPLES),
            # Coverage tries every value at every place, which for the nested items of responses takes minutes.
            "phases": {"coverage": off, "stateful": off},
            # What is right for a shape may still be wrong (a model that is unknown), and a query has texts alone, where
            # "null" is one. That wrong bodies are refused is told field by field in test_fields.py.
            "checks": {"positive_data_acceptance": off, "negative_data_rejection": off, "ignored_auth": off},
            "operations": [{"include-name": name, "generation": generation(COSTLY_EXAMPLES)} for name in COSTLY],
        }
    )


def generation(examples: int) -> dict[str, object]:
    return {"max-examples": examples, "no-shrink": True, "deterministic": True, "database": "none"}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    folder = tmp_path_factory.mktemp("data")
    settings = Settings(
        data_dir=folder, max_body_mb=1, allowed_hosts=("testserver",), fetch="off", search_providers=("local",)
    )
    app = create_app(FakeModel(), settings)
    app.state.spatz.reader.pool = FakePool()
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config())
    found = Outcome()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.failures[repr(event)] = ""
        if not isinstance(event, events.ScenarioFinished):
            continue
        for interaction in event.recorder.interactions.values():
            found.requests += 1
            found.asked[str(event.label)] += 1
            if interaction.response is not None:
                found.statuses[interaction.response.status_code] += 1
        for checks in event.recorder.checks.values():
            for check in checks:
                if check.failure_info is not None:
                    said = f"{event.label}: {check.name}: {check.failure_info.failure.message[:500]}"
                    found.failures[said] = check.failure_info.code_sample
    yield found


def test_every_answer_is_as_described(outcome: Outcome) -> None:
    assert not outcome.failures, "\n\n".join(f"{said}\n{how}" for said, how in list(outcome.failures.items())[:10])
    assert set(outcome.statuses) <= STATUSES


def test_it_asked_for_enough(outcome: Outcome) -> None:
    assert outcome.requests >= WANTED
    assert outcome.statuses[200] > 500
    assert min(outcome.asked.values()) >= 1
    assert len(outcome.asked) >= 30
