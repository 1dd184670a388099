"""Labels and values of forms, out of the Markdown that readers make."""

from __future__ import annotations

import pytest

from spatz.inputs.fields import LONGEST_DOCUMENT, fields

GERMAN = """[page 1]

Kunde:

Müller & Söhne GmbH
Hauptstraße 78

# Rechnung

Rechnungs-Nr.: RE-17
Rechnungsdatum: 29. Dezember 2025
**Zahlbar bis:** 8. Januar 2026
Tarif: C7

| Artikel | Menge | Gesamt |
| --- | ---: | ---: |
| Kabel | 4 | 2.224,48 € |
| | MwSt. 19 %: | 1.256,40 € |
| | Gesamtbetrag: | 7.869,01 € |
"""


def test_labels_get_the_names_that_a_model_knows() -> None:
    assert fields(GERMAN).splitlines() == [
        "customer: Müller & Söhne GmbH",
        "invoice number: RE-17",
        "invoice date: 29. Dezember 2025",
        "due date: 8. Januar 2026",
        "Tarif: C7",
        "tax: 1.256,40 €",
        "total: 7.869,01 €",
    ]


def test_labels_without_a_colon() -> None:
    said = fields(
        "Billed to\nNathan Ellis\n\nBon-Nr. 89168\nDatum 11.07.2025 11:46\nSUMME 89,60 €\nApfel 1,20\nTotal\nx"
    )
    assert said.splitlines() == [
        "customer: Nathan Ellis",
        "receipt number: 89168",
        "date: 11.07.2025 11:46",
        "total: 89,60 €",
    ]


def test_an_invoices_one_date_is_its_date() -> None:
    assert "invoice date: 1 May" in fields("Invoice no.: 5\nDate: 1 May\nTotal: 3").splitlines()
    assert "date: 1 May" in fields("Invoice no.: 5\nDate: 1 May\nInvoice date: 2 May\nTotal: 3").splitlines()
    assert "date: 1 May" in fields("Cash: 5\nDate: 1 May\nTotal: 3").splitlines()


@pytest.mark.parametrize(
    "markdown",
    [
        "",
        "Dear Sir,\n\nNote: the total: is a word. See https://example.com\n\nDate: today\nTotal: 5",  # two labels only
        "Total: 1\n" * 5,
        "| Name | Date | Total |\n| --- | --- | --- |\n| Ada | 1 | 2 |",  # a table of goods
        GERMAN + "x" * LONGEST_DOCUMENT,
    ],
)
def test_what_is_no_form_is_left_alone(markdown: str) -> None:
    assert fields(markdown) == ""


def test_bounds() -> None:
    many = "\n".join(f"Label {number}: value" for number in range(500))
    said = fields(f"Total: 5\nSubtotal: 4\nTax: {'9' * 500}\n{many}").splitlines()
    assert len(said) == 40 and max(map(len, said)) < 140
    assert fields(": " * 5000 + "\n" + "a:" * 3000) == ""
