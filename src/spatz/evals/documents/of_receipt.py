"""Receipts of a till: 80 mm of paper, 203 dots an inch, one font with letters of one width."""

from __future__ import annotations

from decimal import Decimal

from spatz.evals.documents.made_up import Language, MadeUp
from spatz.evals.documents.page import COURIER, Page
from spatz.evals.documents.sample import Sample, Truth

__all__ = ["receipt_sample"]

DPI = 203
COLUMNS, SIZE, LEADING = 34, 9.6, 13.0  # letters in a line, points
LEFT = 15.0
_WORDS = {
    "en": ("Receipt no.", "Date", "TOTAL", "Cash", "Change", "VAT included", "Thank you for shopping with us!"),
    "de": ("Bon-Nr.", "Datum", "SUMME", "Bar", "Rückgeld", "inkl. MwSt.", "Vielen Dank für Ihren Einkauf!"),
}


def receipt_sample(language: Language, seed: str) -> Sample:
    made = MadeUp(language, f"receipt {seed}")
    number, date, total, cash, change, tax, thanks = _WORDS[language]
    shop, (street, city) = made.company(), made.address()
    head = [shop[:COLUMNS], street, city]
    day = made.day()
    clock = f"{made.random.randint(8, 20):02}:{made.random.randint(10, 59)}"
    pairs = [(number, made.digits(5)), (date, f"{day:%d.%m.%Y} {clock}")]
    goods = [(name, made.price(49, 1500)) for name in made.some("food", made.random.randint(4, 12))]
    sums = _sums(goods, (total, cash, change, tax))
    named = [(name, made.number(value)) for name, value in goods]
    priced = [(name, made.number(value)) for name, value in sums]
    rows: list[tuple[str, str]] = [*pairs, *named, *priced]
    page = Page(COURIER, (226.8, 60 + LEADING * (len(rows) + len(head) + 7)))
    y = 30.0
    for line in head:
        page.text(page.width / 2, y, line, SIZE, align="center")
        y += LEADING
    for group in (pairs, named, priced):
        page.line(LEFT, y - 4, page.width - LEFT, y - 4)
        y += LEADING * 0.6
        for label, value in group:
            page.text(LEFT, y, label, SIZE, bold=label == total)
            page.text(page.width - LEFT, y, value, SIZE, bold=label == total, align="right")
            y += LEADING
    page.text(page.width / 2, y + LEADING, thanks, SIZE, align="center")
    text = "\n".join([*head, *(f"{label} {value}" for label, value in rows), thanks])
    truth = Truth((text,), (), (*pairs, *priced))
    return Sample(f"receipt-{language}-{seed}", "receipt", language, DPI, page.close(), truth)


def _sums(goods: list[tuple[str, Decimal]], names: tuple[str, str, str, str]) -> list[tuple[str, Decimal]]:
    whole = sum((price for _, price in goods), Decimal(0))
    paid = (whole // 10 + 1) * 10
    tax = (whole * 7 / 107).quantize(Decimal("0.01"))
    return list(zip(names, (whole, paid, paid - whole, tax), strict=True))
