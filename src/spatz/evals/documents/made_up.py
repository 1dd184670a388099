"""What generated documents are about: people, companies, addresses, dates and amounts, drawn from lists by a seed.

English and German, each written as that country writes it. It knows nothing of pages; content*.py put documents
together from it.
"""

from __future__ import annotations

import json
import random
from calendar import month_name
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

__all__ = ["MONTHS", "Language", "MadeUp"]

Language = Literal["en", "de"]

_LISTS: dict[str, dict[str, list[str]]] = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
MONTHS = {
    "en": tuple(month_name)[1:],
    "de": tuple("Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()),  # noqa: SIM905
}


class MadeUp:
    """The same seed says the same, on every machine."""

    def __init__(self, language: Language, seed: str) -> None:
        self.language: Language = language
        self.random = random.Random(seed)
        # A document writes its amounts and dates in one way throughout.
        self.currency = "€" if language == "de" else self.random.choice(("€", "$", "£"))
        self._date_style = self.random.randrange(3)

    def one(self, kind: str) -> str:
        return self.random.choice(_LISTS[self.language][kind])

    def some(self, kind: str, count: int) -> list[str]:
        """Without repeating any."""
        return self.random.sample(_LISTS[self.language][kind], count)

    def person(self) -> str:
        return f"{self.one('first')} {self.one('last')}"

    def company(self) -> str:
        return f"{self.one('company')} {self.one('trade')} {self.one('legal')}"

    def address(self) -> list[str]:
        number = self.random.randint(1, 198)
        street = self.one("street")
        return [f"{street} {number}" if self.language == "de" else f"{number} {street}", self.one("city")]

    def digits(self, count: int) -> str:
        return str(self.random.randrange(10 ** (count - 1), 10**count))

    def telephone(self) -> str:
        pick = self.random.randint
        if self.language == "de":
            return f"0{pick(201, 989)} {self.digits(6)}"
        return f"(0{pick(113, 199)}) {self.digits(3)} {self.digits(4)}"

    def iban(self) -> str:
        return f"DE{self.digits(2)} " + " ".join(self.digits(4) for _ in range(4)) + f" {self.digits(2)}"

    def mail(self, company: str) -> str:
        plain = company.split()[0].lower()
        for letter, written in {"ü": "ue", "ö": "oe", "ä": "ae", "ß": "ss"}.items():
            plain = plain.replace(letter, written)
        return f"{self.random.choice(('info', 'office', 'billing', 'contact'))}@{plain}.example"

    def day(self, first: date = date(2023, 1, 1), days: int = 1400) -> date:
        return first + timedelta(days=self.random.randrange(days))

    def dated(self, day: date) -> str:
        month = MONTHS[self.language][day.month - 1]
        if self.language == "de":
            return (f"{day:%d.%m.%Y}", f"{day.day}. {month} {day.year}", f"{day:%d.%m.%Y}")[self._date_style]
        return (f"{day:%Y-%m-%d}", f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}")[self._date_style]

    def price(self, least: int = 100, most: int = 60_000) -> Decimal:
        """least, most: in cents."""
        return Decimal(self.random.randint(least, most)) / 100

    def number(self, value: Decimal) -> str:
        """1,234.50 or 1.234,50."""
        written = f"{value:,.2f}"
        return written.translate(str.maketrans(",.", ".,")) if self.language == "de" else written

    def money(self, value: Decimal) -> str:
        return f"{self.number(value)} €" if self.currency == "€" else f"{self.currency}{self.number(value)}"
