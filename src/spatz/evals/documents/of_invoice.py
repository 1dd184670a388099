"""Pages of invoices, in three arrangements of seller, customer and details."""

from __future__ import annotations

from spatz.evals.documents.invoice import Invoice, invoice
from spatz.evals.documents.made_up import Language, MadeUp
from spatz.evals.documents.page import FONTS, Page
from spatz.evals.documents.sample import Sample, Truth

__all__ = ["invoice_sample"]

LEFT, RIGHT = 56.0, 540.0


def invoice_sample(language: Language, seed: str) -> Sample:
    said = invoice(language, seed)
    made = MadeUp(language, f"{seed} page")
    page = Page(made.random.choice(FONTS))
    head = made.random.choice((_stacked, _beside, _letterhead))
    y, heads = head(page, said, made)
    y = _goods(page, said, y + 20, made.random.choice(("grid", "lines", "head")))
    for place, (label, value) in enumerate(said.sums):
        y += 17
        last = place == len(said.sums) - 1
        page.text(RIGHT - 110, y, label, 10, align="right", bold=last)
        page.text(RIGHT - 5, y, value, 10, align="right", bold=last)
    page.lines(LEFT, y + 50, said.footer)
    body = [" ".join(row) for row in (said.columns, *said.rows)] + [f"{a} {b}" for a, b in said.sums]
    orders = tuple("\n".join([*first, *body, *said.footer]) for first in heads)
    truth = Truth(orders, ((said.columns, *said.rows),), (*said.details, *said.sums))
    return Sample(f"invoice-{language}-{seed}", "invoice", language, 150, page.close(), truth, said.fields)


def _stacked(page: Page, said: Invoice, made: MadeUp) -> tuple[float, list[list[str]]]:
    """Everything below one another."""
    page.text(LEFT, 70, said.title, 22, bold=True)
    y = page.lines(LEFT, 100, (*said.seller, said.contact))
    page.text(LEFT, y + 14, said.to, 10, bold=True)
    y = page.lines(LEFT, y + 28, said.customer)
    details = [f"{a} {b}" for a, b in said.details]
    y = page.lines(LEFT, y + 14, details)
    return y, [[said.title, *said.seller, said.contact, said.to, *said.customer, *details]]


def _beside(page: Page, said: Invoice, made: MadeUp) -> tuple[float, list[list[str]]]:
    """The customer on the left, labels and values in two columns on the right of it."""
    page.text(LEFT, 64, said.seller[0], 15, bold=True)
    page.lines(LEFT, 80, (*said.seller[1:], said.contact), 8.5)
    page.text(LEFT, 160, said.title, 20, bold=True)
    page.text(LEFT, 192, said.to, 10, bold=True)
    page.lines(LEFT, 207, said.customer)
    for place, (label, value) in enumerate(said.details):
        page.text(330, 192 + 15 * place, label)
        page.text(445, 192 + 15 * place, value)
    top = [*said.seller, said.contact, said.title]
    left, right = [said.to, *said.customer], [f"{a} {b}" for a, b in said.details]
    rows = [f"{a} {b}" for a, b in zip(left, right, strict=True)]
    return 250, [[*top, *left, *right], [*top, *rows], [*top, *right, *left]]


def _letterhead(page: Page, said: Invoice, made: MadeUp) -> tuple[float, list[list[str]]]:
    """The seller at the top right, the customer where a window shows it, details as lines above the goods."""
    for place, line in enumerate((*said.seller, said.contact)):
        page.text(RIGHT, 60 + 14 * place, line, 11 if place == 0 else 9, bold=place == 0, align="right")
    page.text(LEFT, 145, said.to, 9)
    page.lines(LEFT, 160, said.customer, 11)
    page.text(LEFT, 235, said.title, 18, bold=True)
    details = [f"{a} {b}" for a, b in said.details]
    y = page.lines(LEFT, 262, details, 10, 1.6)
    return y, [[*said.seller, said.contact, said.to, *said.customer, said.title, *details]]


def _goods(page: Page, said: Invoice, y: float, rules: str) -> float:
    widths = (RIGHT - LEFT - 240, 60, 90, 90)
    return page.table(LEFT, y, widths, (said.columns, *said.rows), size=9.5, rules=rules, right=(1, 2, 3))
