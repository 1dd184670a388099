"""ZIP files for tests: Office packages with the least that they need, and what nobody should open."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
MAIN = {"docx": "word/document.xml", "xlsx": "xl/workbook.xml", "pptx": "ppt/presentation.xml"}

CONTAINER = '<container><rootfiles><rootfile full-path="OPS/content.opf"/></rootfiles></container>'


def zipped(files: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def relations(*entries: tuple[str, str, str]) -> str:
    """(id, the type's last word, target)"""
    lines = [
        f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target="{target}"'
        + (' TargetMode="External"/>' if "://" in target else "/>")
        for key, kind, target in entries
    ]
    return f'<Relationships xmlns="x">{"".join(lines)}</Relationships>'


def office(kind: str, files: Mapping[str, str | bytes]) -> bytes:
    main = MAIN[kind]
    return zipped({"[Content_Types].xml": "<Types/>", "_rels/.rels": relations(("r", "officeDocument", main)), **files})


def docx(body: str, **parts: str | bytes) -> bytes:
    """body: what is in w:body. parts: styles="<w:style .../>" and the like become word/styles.xml."""
    files: dict[str, str | bytes] = {"word/document.xml": _word("document", f"<w:body>{body}</w:body>")}
    entries = []
    for name, content in parts.items():
        files[f"word/{name}.xml"] = content if isinstance(content, bytes) else _word(name, content)
        entries.append((name, name.rstrip("0123456789"), f"{name}.xml"))
    entries.append(("link", "hyperlink", "https://example.com/a b"))
    files["word/_rels/document.xml.rels"] = relations(*entries)
    return office("docx", files)


def _word(root: str, content: str) -> str:
    return f'<w:{root} xmlns:w="{WORD}" xmlns:r="{OFFICE}" xmlns:m="m" xmlns:v="v" xmlns:mc="mc">{content}</w:{root}>'


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def xlsx(rows: str, *, strings: str | bytes = "", styles: str = "", book: str = "") -> bytes:
    entries = [
        ("r1", "worksheet", "worksheets/sheet1.xml"),
        ("r2", "sharedStrings", "s.xml"),
        ("r3", "styles", "t.xml"),
    ]
    return office(
        "xlsx",
        {
            "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}">{book}'
            '<sheets><sheet name="One" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relations(*entries),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SHEET}"><sheetData>{rows}</sheetData></worksheet>',
            "xl/s.xml": strings if isinstance(strings, bytes) else f'<sst xmlns="{SHEET}">{strings}</sst>',
            "xl/t.xml": f'<styleSheet xmlns="{SHEET}">{styles}</styleSheet>',
        },
    )


def epub(chapters: list[str | bytes], *, title: str = "A book", more: Mapping[str, str] | None = None) -> bytes:
    items = "".join(
        f'<item id="c{number}" href="c%20{number}.xhtml" media-type="application/xhtml+xml"/>'
        for number in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(len(chapters)))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<metadata><dc:title>{title}</dc:title></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    files: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OPS/content.opf": package,
        **(more or {}),
    }
    files |= {f"OPS/c {number}.xhtml": chapter for number, chapter in enumerate(chapters)}
    return zipped(files)
