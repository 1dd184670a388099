"""A PDF that is open: which of its pages are read, its title, its forms. pdfium repairs what is damaged, where it can.

pdfium must not be used by two threads at once; whoever opens one here does all of it in one thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from spatz.inputs.document import InputError, Note, ReadOptions
from spatz.inputs.pdf_letters import clean

__all__ = ["PdfFile", "open_pdf"]

MAX_TITLE = 300
# What programs write where nobody gave a title.
NO_TITLE = re.compile(
    r"\W*|untitled.*|document\d*|.*\.(?:docx?|xlsx?|pptx?|odt|tex|dvi|indd|qxd|pdf|ps)|slide ?\d*|\(?anonymous\)?",
    re.IGNORECASE,
)


@dataclass(slots=True)
class PdfFile:
    document: Any  # pypdfium2.PdfDocument
    form: Any  # FPDF_FORMHANDLE, or None
    total: int  # pages that it has
    first: int  # that are read, from 0
    end: int
    title: str
    notes: list[Note]

    @contextmanager
    def page(self, index: int) -> Iterator[Any]:
        """The FPDF_PAGE; None if it is damaged."""
        page = pdfium.FPDF_LoadPage(self.document.raw, index)
        try:
            yield page or None
        finally:
            if page:
                pdfium.FPDF_ClosePage(page)


@contextmanager
def open_pdf(data: bytes, options: ReadOptions) -> Iterator[PdfFile]:
    """Raises InputError."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise refusal(getattr(error, "err_code", None), data) from None
    try:
        total = len(document)
        if total <= 0:
            raise refusal(pdfium.FPDF_ERR_FORMAT, data)
        first, end = 0, total
        if options.pages is not None:
            first, end = options.pages[0] - 1, min(options.pages[1], total)
            if not 0 <= first < end:
                raise InputError(
                    f"pages {options.pages[0]} to {options.pages[1]} were asked for, and the PDF has {total}",
                    code="invalid_pages",
                )
        file = PdfFile(document, None, total, first, end, title_of(document), [])
        if end - first > options.max_pages:
            file.end = first + options.max_pages
            file.notes.append(
                Note("pages_left_out", f"Pages {file.end + 1} to {end} were not read: at most {options.max_pages} are.")
            )
        form = document.get_formtype()
        if form in (pdfium.FORMTYPE_XFA_FULL, pdfium.FORMTYPE_XFA_FOREGROUND):
            file.notes.append(
                Note("xfa_form", "The PDF holds an XFA form, of which only the PDF's own pages were read.")
            )
        if form != pdfium.FORMTYPE_NONE:
            document.init_forms()
            file.form = document.formenv.raw if document.formenv else None
        yield file
    finally:
        document.close()


def refusal(code: int | None, data: bytes) -> InputError:
    """code: pdfium keeps it from one file to the next, if all that is wrong is that there are no pages."""
    if b"/Encrypt" in data and code == pdfium.FPDF_ERR_PASSWORD:
        return InputError("the PDF is encrypted and needs a password: send it without one", code="encrypted_file")
    if b"/Encrypt" in data and code == pdfium.FPDF_ERR_SECURITY:
        return InputError("the PDF is encrypted in a way that cannot be read", code="encrypted_file")
    return InputError("the PDF cannot be opened: it is damaged, has no pages, or is no PDF")


def title_of(document: Any) -> str:
    title = clean(document.get_metadata_value("Title"))[0]
    title = " ".join(title.split()).removeprefix("Microsoft Word - ").removeprefix("Microsoft PowerPoint - ")
    return "" if NO_TITLE.fullmatch(title) else title[:MAX_TITLE]
