"""Texts in any encoding, Markdown and tables with separators: what becomes of them, and what is said of it."""

from __future__ import annotations

import pytest

from spatz.inputs.convert import convert
from spatz.inputs.document import Document, InputError, ReadOptions


def read(data: bytes, filename: str = "", **options: object) -> Document:
    return convert(data, ReadOptions(filename=filename, **options))  # type: ignore[arg-type]


def codes(document: Document) -> list[str]:
    return [note.code for note in document.notes]


GERMAN = "Größe: 12 €, „schön“ – naïve Übergröße für Ärzte.\n" * 5  # noqa: RUF001
RUSSIAN = "Привет, это обычный русский текст, в котором достаточно слов.\n" * 20
JAPANESE = "これは日本語の文章です。十分に長い文章が必要です。\n" * 20


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings_of_western_texts(encoding: str) -> None:
    document = read(GERMAN.encode(encoding))
    assert document.markdown == GERMAN.strip("\n")
    assert document.kind == "text"
    assert codes(document) == (["encoding_guessed"] if encoding == "cp1252" else [])


@pytest.mark.parametrize(
    ("text", "encoding"), [(RUSSIAN, "cp1251"), (JAPANESE, "shift_jis"), (RUSSIAN, "koi8-r"), (JAPANESE, "euc_jp")]
)
def test_other_scripts_are_guessed_and_said_so(text: str, encoding: str) -> None:
    document = read(text.encode(encoding))
    assert document.markdown == text.strip("\n")
    assert codes(document) == ["encoding_guessed"]


def test_what_the_sender_names_is_taken_where_it_is_an_encoding_of_texts() -> None:
    assert read("ąćę".encode("iso8859-2"), media_type="text/plain; charset=ISO-8859-2").markdown == "ąćę"
    for name in ("rot13", "zlib", "base64", "unicode_escape", "utf-7", "idna", "nonsense", "x" * 100):
        document = read("Größe \\u0041".encode("cp1252"), media_type=f"text/plain; charset={name}")
        assert document.markdown == "Größe \\u0041"


def test_a_strange_byte_does_not_spoil_a_text() -> None:
    document = read(GERMAN.encode() * 100 + b"\xff" + GERMAN.encode())
    assert document.markdown.count("Größe") == 505
    assert codes(document) == ["characters_replaced"]
    cut = "Ein längerer Text, der mitten in einem Zeichen endet: ä".encode()[:-1]
    assert codes(read(cut)) == ["characters_replaced"]


def test_lines_end_alike_and_control_characters_are_gone() -> None:
    assert (
        read(b"\xef\xbb\xbfa\r\nb\rc\x08d\x1b[0m\fe\n\n" + b"x" * 1_000).markdown == "a\nb\ncd[0m\ne\n\n" + "x" * 1_000
    )


def test_markdown_stays_as_it_is_and_gives_its_title() -> None:
    text = "Intro\n\n# The title\n\n| a | b |\n| - | - |\n| 1 | 2 |"
    document = read(text.encode(), "a.md")
    assert (document.markdown, document.title, document.pages) == (text, "The title", 1)
    assert read(b"# no heading, a comment", "a.py").title == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a,b\n1,2\n", "x.csv"),
        ("a;b\r\n1;2\r\n", "x.csv"),
        ("sep=;\na;b\n1;2\n", "x.csv"),
        ('"a","b"\n"1","2"\n', "x.csv"),
        ("a\tb\n1\t2\n", "x.tsv"),
        ("a\tb\n1\t2\n", "x.csv"),
        ("\na|b\n\n1|2\n", "x.csv"),
    ],
)
def test_tables_with_separators(text: str, name: str) -> None:
    assert read(text.encode(), name).markdown == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_cells_keep_what_is_in_them() -> None:
    text = 'name;note;price\n"Müller; Söhne";"two\nlines | bar";"1,50"\nshort;\n"he said ""no""";x;2;more\n'
    assert read(text.encode(), "x.csv").markdown.split("\n") == [
        "| name | note | price |  |",
        "| --- | --- | --- | --- |",
        "| Müller; Söhne | two lines \\| bar | 1,50 |  |",
        "| short |  |  |  |",
        '| he said "no" | x | 2 | more |',
    ]


@pytest.mark.parametrize("text", ["only one column\nin each line", 'a,b\n"' + "x" * 200_000])
def test_what_is_no_table_is_read_as_text_and_said_so(text: str) -> None:
    document = read(text.encode(), "x.csv")
    assert document.markdown == text and codes(document) == ["no_table"]


def test_bounds_are_kept_and_said() -> None:
    document = read(b"abc " * 100, max_text=10)
    assert document.markdown == "abc abc ab" and codes(document) == ["text_left_out"]
    assert codes(read(b" \n ")) == ["no_text"]
    with pytest.raises(InputError) as caught:
        read(b"abc", pages=(2, 3))
    assert caught.value.code == "invalid_pages"
    assert read(b"abc", pages=(1, 1)).markdown == "abc"


@pytest.mark.parametrize("data", [b"", bytes(100), b"PK\x05\x06" + bytes(18), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9])
def test_unknown_kinds(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        read(data, "a.txt")
    assert caught.value.code in ("unsupported_file", "empty_file")
