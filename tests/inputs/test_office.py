"""Word, Excel and PowerPoint: files as their libraries write them, and what only a file of one's own can hold."""

from __future__ import annotations

import io
from datetime import date, datetime, time

import pytest
from PIL import Image, ImageDraw, ImageFont

from inputs import zips
from spatz.inputs.convert import convert
from spatz.inputs.document import Document, InputError, ReadOptions
from spatz.inputs.xlsx_formats import Format


def read(data: bytes, **options: object) -> Document:
    return convert(data, ReadOptions(**options))  # type: ignore[arg-type]


def codes(document: Document) -> list[str]:
    return [note.code for note in document.notes]


def test_a_report_as_word_would_have_it() -> None:
    docx = pytest.importorskip("docx")
    file = docx.Document()
    file.core_properties.title = "Bericht"
    file.add_heading("Umsätze", 1)
    text = file.add_paragraph("Ein ")
    text.add_run("fet").bold = True
    text.add_run("ter ").bold = True
    text.add_run("und ein ")
    text.add_run("schräger").italic = True
    text.add_run(" Text.")
    for item in ("eins", "zwei"):
        file.add_paragraph(item, style="List Bullet")
    for item in ("erstens", "zweitens"):
        file.add_paragraph(item, style="List Number")
    table = file.add_table(3, 3)
    for row in range(3):
        for column in range(3):
            table.cell(row, column).text = f"{row}|{column}"
    table.cell(0, 0).merge(table.cell(0, 1)).text = "breit"
    table.cell(1, 2).merge(table.cell(2, 2)).text = "hoch"
    file.sections[0].header.paragraphs[0].text = "Müller GmbH"
    file.sections[0].footer.paragraphs[0].text = "IBAN DE12"
    out = io.BytesIO()
    file.save(out)
    document = read(out.getvalue())
    assert document.markdown == (
        "Müller GmbH\n\n# Umsätze\n\nEin **fetter** und ein *schräger* Text.\n\n"
        "- eins\n- zwei\n1. erstens\n2. zweitens\n\n"
        "| breit |  | 0\\|2 |\n| --- | --- | --- |\n| 1\\|0 | 1\\|1 | hoch |\n| 2\\|0 | 2\\|1 | hoch |\n\nIBAN DE12"
    )
    assert (document.title, document.kind, document.pages) == ("Bericht", "text", 1)


NUMBERING = (
    '<w:abstractNum w:abstractNumId="0">'
    '<w:lvl w:ilvl="0"><w:start w:val="2"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1"/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>'
    '<w:lvl w:ilvl="2"><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%3."/></w:lvl>'
    '<w:lvl w:ilvl="3"><w:numFmt w:val="none"/></w:lvl></w:abstractNum>'
    '<w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num>'
)


def numbered(text: str, level: int) -> str:
    return zips.paragraph(text, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="5"/></w:numPr>')


def test_numbers_that_word_counts_are_there_to_be_cited() -> None:
    levels = [0, 1, 1, 2, 2, 2, 2, 0, 1, 3]
    body = "".join(numbered(f"t{index}", level) for index, level in enumerate(levels))
    lines = read(zips.docx(body, numbering=NUMBERING)).markdown.split("\n")
    assert [line.strip() for line in lines if line] == [
        "2 t0", "2.a) t1", "2.b) t2", "I. t3", "II. t4", "III. t5", "IV. t6", "3 t7", "3.a) t8", "t9",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "markdown"),
    [
        (
            '<w:p><w:hyperlink r:id="link"><w:r><w:t>here</w:t></w:r></w:hyperlink></w:p>',
            "[here](https://example.com/a%20b)",
        ),
        (
            "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>",
            "new",
        ),
        ("<w:p><w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom><w:r><w:t>stays</w:t></w:r></w:p>", "stays"),
        ("<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:t>x</w:t></w:r></w:p>", "x"),
        (
            '<w:p><w:r><w:rPr><w:b w:val="0"/></w:rPr><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>',
            "a\tb\nc",
        ),
        ('<w:p><w:r><w:sym w:char="F0FE"/><w:noBreakHyphen/><w:sym w:char="20AC"/></w:r></w:p>', "☑-€"),
        ("<w:p><m:oMath><m:r><m:t>x=1</m:t></m:r></m:oMath></w:p>", "x=1"),
        ("<w:sdt><w:sdtContent><w:p><w:r><w:t>in a field</w:t></w:r></w:p></w:sdtContent></w:sdt>", "in a field"),
        ("<w:p><w:r><w:fldChar/><w:instrText>PAGE</w:instrText><w:t>7</w:t></w:r></w:p>", "7"),
        (
            "<w:p><w:r><w:fldChar><w:ffData><w:checkBox><w:checked/></w:checkBox></w:ffData></w:fldChar>"
            "<w:t>yes</w:t></w:r></w:p>",
            "☒ yes",
        ),
        (
            "<w:p><w:r><mc:AlternateContent><mc:Choice><w:drawing><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p>"
            "</w:txbxContent></w:drawing></mc:Choice><mc:Fallback><w:pict><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p>"
            "</w:txbxContent></w:pict></mc:Fallback></mc:AlternateContent><w:t>text</w:t></w:r></w:p>",
            "text\n\nbox",
        ),
        ('<w:p><w:r><w:drawing><docPr descr="A  logo"/></w:drawing></w:r></w:p>', "[Image: A logo]"),
        ("<w:tbl><w:tr><w:tc><w:p><w:r><w:t>frame</w:t></w:r></w:p></w:tc></w:tr></w:tbl>", "frame"),
        (
            zips.paragraph("h", '<w:pStyle w:val="Kind"/>') + zips.paragraph("o", '<w:outlineLvl w:val="1"/>'),
            "### h\n\n## o",
        ),
    ],
)
def test_what_a_document_can_hold(body: str, markdown: str) -> None:
    styles = (
        '<w:style w:type="paragraph" w:styleId="H3"><w:name w:val="heading 3"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="Kind"><w:name w:val="mine"/><w:basedOn w:val="H3"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="Loop"><w:basedOn w:val="Loop"/></w:style>'
    )
    assert read(zips.docx(body, styles=styles)).markdown == markdown


def test_footnotes_are_cited_and_comments_are_said_to_be_left_out() -> None:
    body = '<w:p><w:r><w:t>fact</w:t><w:footnoteReference w:id="2"/></w:r></w:p>'
    texts = {0: "line", 2: "source"}
    notes = "".join(f'<w:footnote w:id="{key}">{zips.paragraph(text)}</w:footnote>' for key, text in texts.items())
    document = read(zips.docx(body, footnotes=notes, comments="<w:comment/>"))
    assert document.markdown == "fact[^2]\n\n[^2]: source"
    assert codes(document) == ["comments_left_out"]


def test_text_on_pictures_is_read_where_they_stand() -> None:
    docx, pptx = pytest.importorskip("docx"), pytest.importorskip("pptx")
    picture = io.BytesIO()
    image = Image.new("RGB", (600, 120), "white")
    ImageDraw.Draw(image).text((20, 30), "Invoice 4711", fill="black", font=ImageFont.load_default(48))
    image.save(picture, "PNG")
    report = docx.Document()
    report.add_paragraph("before")
    report.add_picture(picture)
    report.add_picture(picture)
    report.add_paragraph("after")
    slides = pptx.Presentation()
    slides.slides.add_slide(slides.slide_layouts[6]).shapes.add_picture(picture, 0, 0)
    for file, text in ((report, "before\n\n{0}\n\nafter"), (slides, "[slide 1]\n\n{1}")):
        out = io.BytesIO()
        file.save(out)
        document = read(out.getvalue())
        assert document.markdown == text.format("[Image]\n> Invoice 4711", "[Image: image.png]\n> Invoice 4711")
        assert document.pictures == 1 and document.confidence is not None and document.confidence > 0.8
        assert codes(document) == []
        low = read(out.getvalue(), detail="low")
        assert "4711" not in low.markdown and "pictures_left_out" in codes(low)


def test_slides_as_powerpoint_would_have_them() -> None:
    pptx = pytest.importorskip("pptx")
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    file = pptx.Presentation()
    slide = file.slides.add_slide(file.slide_layouts[1])
    slide.shapes.title.text = "Umsatz"
    frame = slide.placeholders[1].text_frame
    frame.text = "Erster"
    point = frame.add_paragraph()
    point.text, point.level = "Zweiter", 1
    slide.notes_slide.notes_text_frame.text = "Nicht vergessen"
    slide = file.slides.add_slide(file.slide_layouts[5])
    slide.shapes.title.text = "[slide 9]"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for row in range(2):
        for column in range(2):
            table.cell(row, column).text = f"{row}{column}"
    box = slide.shapes.add_textbox(Inches(1), Inches(5), Inches(2), Inches(1))
    box.text_frame.text = "[slide 9] ein Kasten"
    data = CategoryChartData()
    data.categories = ["Q1", "Q2"]
    data.add_series("2025", (1.5, 2))
    data.add_series("2026", (3, None))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(3), Inches(4), Inches(3), data)
    out = io.BytesIO()
    file.save(out)
    first = "[slide 1]\n\n## Umsatz\n\n- Erster\n  - Zweiter\n\nNotes: Nicht vergessen"
    second = (
        "[slide 2]\n\n## [slide 9]\n\n| 00 | 01 |\n| --- | --- |\n| 10 | 11 |\n\n(slide 9) ein Kasten\n\n"
        "Chart\n\n|  | 2025 | 2026 |\n| --- | --- | --- |\n| Q1 | 1.5 | 3 |\n| Q2 | 2 |  |"
    )
    document = read(out.getvalue())
    assert document.markdown == f"{first}\n\n{second}"
    assert (document.pages, document.read_pages) == (2, 2)
    part = read(out.getvalue(), pages=(2, 9))
    assert part.markdown == second and (part.pages, part.read_pages) == (2, 1)
    cut = read(out.getvalue(), max_pages=1)
    assert cut.markdown == first and codes(cut) == ["pages_left_out"]
    with pytest.raises(InputError, match="pages 3 to 4"):
        read(out.getvalue(), pages=(3, 4))


def test_a_workbook_as_excel_would_have_it() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    file = openpyxl.Workbook()
    sheet = file.active
    sheet.title = "Umsätze"
    sheet["A1"] = "Liste der Umsätze"
    for column, text in zip("BCDEF", ["Datum", "Betrag", "Anteil", "Bezahlt", "Notiz"], strict=True):
        sheet[f"{column}3"] = text
    sheet["B4"], sheet["C4"], sheet["D4"], sheet["E4"] = date(2026, 3, 12), 1234.5, 0.125, True
    sheet["C4"].number_format, sheet["D4"].number_format = '#,##0.00 "€"', "0.0%"
    sheet["B5"], sheet["C5"], sheet["F5"] = datetime(2026, 3, 12, 14, 30), "=SUM(C4:C4)", "zwei\nZeilen | Strich"
    sheet["B6"], sheet["C6"] = time(9, 5), 0.1 + 0.2
    hidden = file.create_sheet("Geheim")
    hidden.sheet_state = "hidden"
    hidden["A1"], hidden["XFD1048576"] = "near", "far"
    out = io.BytesIO()
    file.save(out)
    document = read(out.getvalue())
    assert document.markdown == (
        "[sheet 1: Umsätze]\n\nListe der Umsätze\n\n"
        "| Datum | Betrag | Anteil | Bezahlt | Notiz |\n| --- | --- | --- | --- | --- |\n"
        "| 2026-03-12 | 1234.50 € | 12.5% | TRUE |  |\n"
        "| 2026-03-12 14:30 | =SUM(C4:C4) |  |  | zwei Zeilen \\| Strich |\n"
        "| 09:05 | 0.3 |  |  |  |\n\n"
        "[sheet 2: Geheim (hidden)]\n\nnear\n\nfar"
    )
    assert (document.pages, document.read_pages, codes(document)) == (2, 2, [])
    assert read(out.getvalue(), pages=(2, 2)).markdown.startswith("[sheet 2")


def test_cells_of_every_type() -> None:
    rows = (
        '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>99</v></c><c t="s"><v>-1</v></c></row>'
        '<row><c t="inlineStr"><is><t>in</t></is></c><c t="b"><v>0</v></c><c t="e"><v>#N/A</v></c><c><v>x</v></c></row>'
        '<row><c s="1"><v>1.5</v></c><c s="77"><v>2</v></c><c t="str"><f>A1</f><v>made</v></c><c><f>A1</f></c></row>'
    )
    strings = "<si><t>plain</t></si><si><r><t>of </t></r><r><t>pieces</t></r><rPh><t>said</t></rPh></si>"
    styles = '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
    data = zips.xlsx(rows, strings=strings, styles=styles, book='<workbookPr date1904="1"/>')
    assert read(data).markdown.split("\n")[2:] == [
        "| plain | of pieces |  |  |",
        "| --- | --- | --- | --- |",
        "| in | FALSE | #N/A | x |",
        "| 1904-01-02 | 2 | made | =A1 |",
    ]


@pytest.mark.parametrize(
    ("code", "number", "shown"),
    [
        ("General", "0.30000000000000004", "0.3"),
        ("General", "1E+100", "1e+100"),
        ("0", "1234", "1234"),
        ("0", "1234.6", "1234.6"),
        ("#,##0.00", "1234.567", "1234.57"),
        ("#,##0.00;[Red]-#,##0.00", "-2", "-2.00"),
        ("0%", "0.5", "50%"),
        ("0.00%", "0.12345", "12.35%"),
        ("[$€-407] #,##0.00", "5", "€5.00"),
        ("#,##0.00\\ [$CHF-807]", "5", "5.00 CHF"),
        ("yyyy-mm-dd", "46093", "2026-03-12"),
        ('dd"."mm"."yyyy', "46093.75", "2026-03-12"),
        ("d/m/yy h:mm", "46093.75", "2026-03-12 18:00"),
        ("h:mm:ss", "0.5", "12:00"),
        ("[h]:mm", "1.25", "30:00:00"),
        ("mmm", "46093", "2026-03-12"),
        ("yyyy", "1e300", "1e+300"),
        ("yyyy", "-5", "-5"),
        ("yyyy-mm-dd", "nan", "nan"),
        ("yyyy-mm-dd", "inf", "inf"),
        ("0.00", "inf", "inf"),
        ("# ?/?", "0.5", "0.5"),
        ("0.00E+00", "12345", "12345"),
        ("yyyy-mm-dd", "1", "1900-01-01"),
        ("yyyy-mm-dd", "61", "1900-03-01"),
    ],
)
def test_numbers_look_as_their_formats_say(code: str, number: str, shown: str) -> None:
    assert Format.parse(code).show(number, datetime(1899, 12, 30)) == shown


def test_a_sheet_that_spreads_over_millions_of_cells_is_refused() -> None:
    rows = "".join(f'<row r="{row}"><c r="A{row}"><v>1</v></c></row>' for row in range(1, 400))
    rows += '<row r="400">' + "<c><v>1</v></c>" * 10_000 + "</row>"
    with pytest.raises(InputError) as caught:
        read(zips.xlsx(rows))
    assert caught.value.code == "file_too_large"


def test_one_long_text_in_many_cells_is_cut_and_said_so() -> None:
    data = zips.xlsx('<row><c t="s"><v>0</v></c></row>' * 5_000, strings=f"<si><t>{'x' * 10_000}</t></si>")
    document = read(data, max_text=100_000)
    assert len(document.markdown) == 100_000 and codes(document) == ["text_left_out"]


def test_long_cells_over_many_rows_are_not_multiplied() -> None:
    merged = "<w:tc><w:tcPr><w:vMerge {}/></w:tcPr>{}</w:tc>"
    first = merged.format('w:val="restart"', zips.paragraph("y" * 50_000))
    other = f"<w:tc>{zips.paragraph('z')}</w:tc>"
    rows = f"<w:tr>{first}{other}</w:tr>" + f"<w:tr>{merged.format('', '<w:p/>')}{other}</w:tr>" * 500
    assert len(read(zips.docx(f"<w:tbl>{rows}</w:tbl>")).markdown) < 500_000
    rows = "<tr><td rowspan=65000>" + "y" * 50_000 + "<td>z" + "<tr><td>z" * 500
    assert len(read(f"<!doctype html><table>{rows}</table>".encode()).markdown) < 500_000


def test_one_long_row_does_not_fill_up_all_others() -> None:
    text = "a,b\n" * 100_000 + "c," * 1_000
    assert len(read(text.encode(), filename="a.csv").markdown) < 3 * len(text)
