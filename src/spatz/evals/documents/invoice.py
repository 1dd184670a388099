"""What an invoice says, before it is a page: the fields that are asked for, and its lines of goods.

Labels vary as those of real companies do. page_invoice.py puts it on a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from spatz.evals.documents.made_up import Language, MadeUp

__all__ = ["Invoice", "invoice"]

_LABELS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "title": ("Invoice", "INVOICE", "Tax Invoice"),
        "number": ("Invoice number:", "Invoice no.:", "Invoice #:"),
        "date": ("Invoice date:", "Date:", "Date of invoice:"),
        "due": ("Due date:", "Payment due:", "Please pay by:"),
        "customer_number": ("Customer number:", "Customer no.:", "Account:"),
        "to": ("Bill to:", "Billed to", "Customer:"),
        "columns": ("Description|Quantity|Unit price|Amount", "Item|Qty|Price|Total"),
        "subtotal": ("Subtotal:", "Net amount:"),
        "tax": ("VAT 20 %:", "Tax 20 %:"),
        "total": ("Total:", "Total due:", "Amount due:"),
        "thanks": ("Thank you for your order.", "Thank you for your business.", "Please quote the invoice number."),
    },
    "de": {
        "title": ("Rechnung", "RECHNUNG"),
        "number": ("Rechnungsnummer:", "Rechnungs-Nr.:", "Rechnung Nr.:"),
        "date": ("Rechnungsdatum:", "Datum:"),
        "due": ("Zahlbar bis:", "Fällig am:"),
        "customer_number": ("Kundennummer:", "Kunden-Nr.:"),
        "to": ("Rechnung an:", "Kunde:"),
        "columns": ("Bezeichnung|Menge|Einzelpreis|Betrag", "Artikel|Anzahl|Preis|Gesamt"),
        "subtotal": ("Zwischensumme:", "Nettobetrag:"),
        "tax": ("MwSt. 19 %:", "USt. 19 %:"),
        "total": ("Gesamtbetrag:", "Rechnungsbetrag:", "Summe:"),
        "thanks": ("Vielen Dank für Ihren Auftrag.", "Wir danken für Ihren Einkauf."),
    },
}


@dataclass(frozen=True, slots=True)
class Invoice:
    language: Language
    title: str
    seller: tuple[str, ...]  # name and address
    contact: str
    customer: tuple[str, ...]  # name and address
    to: str
    details: tuple[tuple[str, str], ...]  # label and value: number, dates, the customer's number
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sums: tuple[tuple[str, str], ...]  # label and value, the last one is what is to be paid
    footer: tuple[str, ...]
    fields: Mapping[str, str]  # as they stand on the page: invoice_number, invoice_date, due_date, customer, total


def invoice(language: Language, seed: str) -> Invoice:
    made = MadeUp(language, seed)
    label = {name: made.random.choice(choices) for name, choices in _LABELS[language].items()}
    seller, customer = made.company(), made.company() if made.random.random() < 0.6 else made.person()
    day = made.day()
    number, account = _number(made, day.year), made.digits(5)
    dates = made.dated(day), made.dated(day + timedelta(days=made.random.choice((10, 14, 30))))
    rows, net = _rows(made)
    rate = Decimal("0.19" if language == "de" else "0.20")
    tax = (net * rate).quantize(Decimal("0.01"), ROUND_HALF_UP)
    details = [
        (label["number"], number),
        (label["date"], dates[0]),
        (label["customer_number"], account),
        (label["due"], dates[1]),
    ]
    if made.random.random() < 0.3:
        details[0], details[1] = details[1], details[0]
    sums = ((label["subtotal"], net), (label["tax"], tax), (label["total"], net + tax))
    return Invoice(
        language,
        label["title"],
        (seller, *made.address()),
        made.mail(seller),
        (customer, *made.address()),
        label["to"],
        tuple(details),
        tuple(label["columns"].split("|")),
        rows,
        tuple((name, made.money(value)) for name, value in sums),
        (label["thanks"], f"IBAN: {made.iban()}"),
        {
            "invoice_number": number,
            "invoice_date": dates[0],
            "due_date": dates[1],
            "customer": customer,
            "total": made.money(net + tax),
        },
    )


def _number(made: MadeUp, year: int) -> str:
    styles = (f"{year}-{made.digits(4)}", f"INV-{made.digits(5)}", f"RE{year % 100}{made.digits(4)}", made.digits(6))
    return made.random.choice(styles[1:] if made.language == "en" else (styles[0], *styles[2:]))


def _rows(made: MadeUp) -> tuple[tuple[tuple[str, ...], ...], Decimal]:
    rows, net = [], Decimal(0)
    for item in made.some("item", made.random.randint(2, 7)):
        count, price = made.random.randint(1, 12), made.price(200)
        rows.append((item, str(count), made.money(price), made.money(count * price)))
        net += count * price
    return tuple(rows), net
