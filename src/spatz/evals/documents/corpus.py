"""The set of documents: each kind in English and German, in the forms and conditions in which it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from spatz.evals.documents.degrade import DEGRADATIONS
from spatz.evals.documents.made_up import Language
from spatz.evals.documents.of_invoice import invoice_sample
from spatz.evals.documents.of_receipt import receipt_sample
from spatz.evals.documents.of_screen import screen_sample
from spatz.evals.documents.of_table import form_sample, table_sample
from spatz.evals.documents.of_writing import article_sample, letter_sample
from spatz.evals.documents.render import png, rendered, scanned
from spatz.evals.documents.sample import Sample

__all__ = ["CONDITIONS", "KINDS", "Reading", "readings", "samples"]

KINDS: Mapping[str, Callable[[Language, str], Sample]] = {
    "invoice": invoice_sample,
    "letter": letter_sample,
    "form": form_sample,
    "table": table_sample,
    "article": article_sample,
    "screenshot": screen_sample,
    "receipt": receipt_sample,
}
# A PDF with its text, a PDF of a picture, a picture; and what may have happened to the picture.
CONDITIONS = ("pdf", "scan", "clean", *DEGRADATIONS)
_LANGUAGES: tuple[Language, ...] = ("en", "de")


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample in one condition, as bytes."""

    sample: Sample
    condition: str
    data: bytes


def samples(kinds: Sequence[str], count: int, seed: int) -> Iterator[Sample]:
    """So many of each kind, every other one German."""
    for number in range(count):
        for kind in kinds:
            yield KINDS[kind](_LANGUAGES[number % 2], f"{seed}.{number // 2}")


def readings(sample: Sample, conditions: Sequence[str], seed: int = 0) -> Iterator[Reading]:
    """It is rendered once."""
    page = None
    for condition in conditions:
        if condition == "pdf":
            yield Reading(sample, condition, sample.pdf)
            continue
        page = page or rendered(sample.pdf, sample.dpi)
        if condition == "scan":
            data = scanned(page, sample.dpi)
        elif condition == "clean":
            data = png(page)
        else:
            data = png(DEGRADATIONS[condition](page, seed))
        yield Reading(sample, condition, data)
