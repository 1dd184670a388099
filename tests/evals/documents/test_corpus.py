"""Generated documents: the same each time, true to what they say of themselves, spoiled in the ways that are told."""

from __future__ import annotations

import io

import pytest

pytest.importorskip("reportlab")
pytest.importorskip("pypdfium2")
images = pytest.importorskip("PIL.Image")

from spatz.evals.documents.corpus import CONDITIONS, KINDS, readings, samples  # noqa: E402
from spatz.evals.documents.invoice import invoice  # noqa: E402
from spatz.evals.documents.mutations import mutations  # noqa: E402
from spatz.evals.documents.scoring import score  # noqa: E402


def text_of(pdf: bytes) -> str:
    import pypdfium2

    document = pypdfium2.PdfDocument(pdf)
    try:
        return "".join(document[0].get_textpage().get_text_bounded().split())
    finally:
        document.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_what_its_truth_says(kind: str) -> None:
    languages = []
    for sample in samples([kind], 4, 7):
        languages.append(sample.language)
        said = text_of(sample.pdf)
        truth = sample.truth
        for words in truth.orders[0].split():
            assert words in said, sample.name
        found = score("\n\n".join(truth.orders[0].splitlines()), truth)
        assert (found.edits, found.pairs) == (0, found.pairs_wanted)
        for table in truth.tables:
            assert all("".join(cell.split()) in said for row in table for cell in row)
            assert len({len(row) for row in table}) == 1
        for value in sample.fields.values():
            assert "".join(value.split()) in said
        assert bool(sample.fields) == (kind == "invoice")
    assert languages == ["en", "de", "en", "de"]


def test_a_seed_makes_the_same_bytes() -> None:
    first, again = (list(samples(list(KINDS), 2, 3)) for _ in range(2))
    assert [sample.pdf for sample in first] == [sample.pdf for sample in again]
    other = list(samples(list(KINDS), 2, 4))
    assert not {sample.truth.orders for sample in first} & {sample.truth.orders for sample in other}


def test_invoices_add_up() -> None:
    from spatz.evals.documents.fields import amount

    for seed in range(20):
        said = invoice("de" if seed % 2 else "en", str(seed))
        rows = [amount(row[3]) for row in said.rows]
        net, tax, total = (amount(value) for _, value in said.sums)
        assert None not in rows and net is not None and tax is not None
        assert sum(row for row in rows if row is not None) == net and net + tax == total == amount(said.fields["total"])


def test_conditions() -> None:
    sample = next(samples(["receipt"], 1, 0))
    found = {reading.condition: reading.data for reading in readings(sample, CONDITIONS)}
    assert set(found) == set(CONDITIONS)
    assert found["pdf"] == sample.pdf and text_of(found["pdf"])
    assert found["scan"].startswith(b"%PDF") and not text_of(found["scan"])
    pictures = {name: images.open(io.BytesIO(data)) for name, data in found.items() if data.startswith(b"\x89PNG")}
    width, height = pictures["clean"].size
    assert pictures["turned"].size == (height, width)
    assert pictures["crooked"].width > width and pictures["low"].width < width
    assert pictures["noisy"].size == pictures["jpeg"].size == (width, height)
    whole = pictures["clean"].convert("L")
    for name in ("noisy", "jpeg"):
        assert whole.tobytes() != pictures[name].convert("L").tobytes()


def test_mutations_differ_and_repeat() -> None:
    first, again = (list(mutations(60, 1, width=60)) for _ in range(2))
    assert first == again
    assert len({data for _, data, _ in first}) == 60
    assert {kind for _, _, kind in first} == {"image", "pdf"}
