"""From end to end: what does this invoice say, asked over the API with a JSON schema, of images and of scanned PDFs.

The questions are those of a person who knows nothing of the server: a sentence, the document, the names of the fields.
A field is right if its value is: amounts and dates may be written in another way.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from spatz.errors import RequestError
from spatz.evals.documents.corpus import Reading, readings, samples
from spatz.evals.documents.made_up import MONTHS
from spatz.evals.documents.together import together

__all__ = ["FIELDS", "FORMS", "Answer", "Post", "amount", "ask_fields", "body", "day", "is_right"]

FORMS = ("clean", "scan")  # an image, and a PDF of one
FIELDS = ("invoice_number", "invoice_date", "due_date", "customer", "total")
QUESTION = "What are the invoice number, the invoice date, the due date, the customer and the total?"
MAX_TOKENS = 200
AT_ONCE = 4  # requests
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in FIELDS},
    "required": list(FIELDS),
    "additionalProperties": False,
}

Post = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""A body of chat completions to its answer. Raises RequestError for what the server refuses."""


@dataclass(frozen=True, slots=True)
class Answer:
    name: str
    language: str
    form: str  # "image" or "scan", and where the question stood
    right: Mapping[str, bool]
    said: str
    expected: Mapping[str, str]
    error: str = ""


def body(reading: Reading, question_first: bool) -> dict[str, Any]:
    """The request, but for the model's name."""
    data = base64.b64encode(reading.data).decode()
    part: dict[str, Any]
    if reading.condition == "scan":
        file = {"filename": "invoice.pdf", "file_data": f"data:application/pdf;base64,{data}"}
        part = {"type": "file", "file": file}
    else:
        part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    content = [{"type": "text", "text": QUESTION}, part]
    schema = {"name": "invoice", "strict": True, "schema": SCHEMA}
    return {
        "messages": [{"role": "user", "content": content if question_first else content[::-1]}],
        "response_format": {"type": "json_schema", "json_schema": schema},
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
    }


async def ask_fields(
    post: Post, count: int, seed: int, conditions: Sequence[str], tell: Callable[[str], None]
) -> list[Answer]:
    """Of so many invoices, in the conditions of FORMS, with the question before and behind each."""
    found: list[Answer] = []
    asked = list(_asked(count, seed, conditions))
    work = iter(enumerate(asked, 1))

    async def go_on() -> None:
        for number, (reading, first) in work:
            tell(f"asking about invoices: {reading.sample.name}, {reading.condition} ({number} of {len(asked)})")
            form = f"{'scan' if reading.condition == 'scan' else 'image'}, question {'first' if first else 'last'}"
            found.append(await _ask(post, reading, first, form))

    await together(AT_ONCE, go_on)
    return sorted(found, key=lambda answer: (answer.form, answer.name))


def _asked(count: int, seed: int, conditions: Sequence[str]) -> Iterator[tuple[Reading, bool]]:
    for sample in samples(("invoice",), count, seed):
        for reading in readings(sample, conditions):
            for first in (True, False):
                yield reading, first


async def _ask(post: Post, reading: Reading, first: bool, form: str) -> Answer:
    sample = reading.sample
    said, error, values = "", "", {}
    try:
        data = await post(body(reading, first))
        said = str(data["choices"][0]["message"].get("content") or "")
        values = json.loads(said)
    except RequestError as problem:
        error = problem.message
    except ValueError:
        pass  # cut off at the most tokens: none of its fields is right
    except (KeyError, IndexError, TypeError):
        error = "the server answered in no shape of the API"
    right = {name: is_right(name, sample.fields[name], str(values.get(name, ""))) for name in FIELDS}
    return Answer(sample.name, sample.language, form, right, said, dict(sample.fields), error)


def is_right(name: str, expected: str, said: str) -> bool:
    if name.endswith("date"):
        wanted = day(expected)
        return wanted is not None and day(said) == wanted
    if name == "total":
        wanted_amount = amount(expected)
        return wanted_amount is not None and amount(said) == wanted_amount
    return _letters(said) == _letters(expected)


def _letters(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(".,:;")


def day(text: str) -> date | None:
    """2024-05-17, 17.05.2024, 17 May 2024, 17. Mai 2024 or May 17, 2024."""
    text = " ".join(text.split()).strip(".,")
    if found := re.fullmatch(r"(\d{4})-(\d\d?)-(\d\d?)", text):
        return _date(*map(int, found.groups()))
    if found := re.fullmatch(r"(\d\d?)\.\s?(\d\d?)\.\s?(\d{4})", text):
        return _date(*map(int, reversed(found.groups())))
    if found := re.fullmatch(r"(\d\d?)\.?\s?(\w+) (\d{4})", text):
        return _date(int(found[3]), _month(found[2]), int(found[1]))
    if found := re.fullmatch(r"(\w+) (\d\d?),? (\d{4})", text):
        return _date(int(found[3]), _month(found[1]), int(found[2]))
    return None


def _month(name: str) -> int:
    return next((months.index(name) + 1 for months in MONTHS.values() if name in months), 0)


def _date(year: int, month: int, in_month: int) -> date | None:
    try:
        return date(year, month, in_month)
    except ValueError:
        return None


def amount(text: str) -> Decimal | None:
    """The two digits behind the last mark are cents; a currency and marks between thousands do not count."""
    found = _AMOUNT.fullmatch(text.strip().strip(".,"))
    return Decimal(re.sub(r"\D", "", found[1]) + "." + found[2]) if found else None


_AMOUNT = re.compile(r"[^\d.,]{0,5}(\d{1,3}(?:[.,]\d{3})+|\d+)[.,](\d\d)[^\d.,]{0,5}")
