"""Which answers about an invoice are right, and what is asked."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from spatz.errors import RequestError
from spatz.evals.documents.fields import FIELDS, FORMS, amount, ask_fields, day, is_right


@pytest.mark.parametrize(
    "text", ["2024-05-03", "03.05.2024", "3. Mai 2024", "3 May 2024", "May 3, 2024", " 3.5.2024 ", "May 3 2024."]
)
def test_a_day_in_every_spelling(text: str) -> None:
    found = day(text)
    assert found is not None and found.isoformat() == "2024-05-03"


@pytest.mark.parametrize("text", ["", "2024", "31.02.2024", "3 Mayday 2024", "05/03/2024", "2024-05-03 or so"])
def test_what_is_no_day(text: str) -> None:
    assert day(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,50 €", "1234.50"),
        ("$1,234.50", "1234.50"),
        ("1234.50", "1234.50"),
        ("12,50 EUR", "12.50"),
        ("1,234", None),
        ("", None),
        ("1.234,50 € 7,00 €", None),
    ],
)
def test_amounts(text: str, value: str | None) -> None:
    assert amount(text) == (None if value is None else Decimal(value))


def test_values_count_and_not_their_spelling() -> None:
    assert is_right("due_date", "3. Mai 2024", "2024-05-03") and not is_right("due_date", "3. Mai 2024", "2024-05-04")
    assert is_right("total", "£1,234.50", "1234.50") and not is_right("total", "£1,234.50", "£1,234.05")
    assert is_right("customer", "Müller & Söhne GmbH", "müller & söhne  gmbh.")
    assert not is_right("customer", "Müller & Söhne GmbH", "Müller")
    assert not any(is_right(name, "", "") for name in ("due_date", "total"))


def test_each_invoice_is_asked_in_each_form() -> None:
    pytest.importorskip("reportlab")
    pytest.importorskip("pypdfium2")
    bodies: list[dict[str, Any]] = []

    async def post(body: dict[str, Any]) -> dict[str, Any]:
        bodies.append(body)
        if len(bodies) == 2:
            raise RequestError("no")
        said = dict.fromkeys(FIELDS, "2024-01-01") if len(bodies) != 3 else "cut"
        content = json.dumps(said) if isinstance(said, dict) else '{"invoice_number": "1'
        return {"choices": [{"message": {"content": content}}]}

    answers = asyncio.run(ask_fields(post, 1, 0, FORMS, lambda doing: None))
    assert [answer.form for answer in answers] == [
        "image, question first",
        "image, question last",
        "scan, question first",
        "scan, question last",
    ]
    assert [answer.error for answer in answers].count("no") == 1
    kinds = [[part["type"] for part in body["messages"][0]["content"]] for body in bodies]
    assert kinds == [["text", "image_url"], ["image_url", "text"], ["text", "file"], ["file", "text"]]
    assert all(not any(answer.right.values()) for answer in answers)
