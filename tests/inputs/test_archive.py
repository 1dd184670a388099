"""Bombs and damage: what is refused before it is unpacked, in an archive of its own and inside of Office files."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from contextlib import suppress

import pytest

from inputs import zips
from spatz.inputs.archive import Archive
from spatz.inputs.convert import convert
from spatz.inputs.document import InputError, ReadOptions
from spatz.inputs.xml_tree import each, parse


def refused(data: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        convert(data, ReadOptions())
    assert caught.value.status == 400
    return caught.value


def test_members_that_unpack_to_too_much_are_refused_before() -> None:
    for files in ({"word/document.xml": bytes(20 << 20)}, {f"word/media/{n}": bytes(3 << 20) for n in range(9)}):
        assert refused(zips.zipped({"word/document.xml": b"x", **files})).code == "file_too_large"


def test_too_many_members_are_refused_before_they_are_listed() -> None:
    content = zips.zipped({"word/document.xml": b"<x/>"})
    start = content.find(b"PK\x01\x02")
    entry = content[start : content.find(b"PK\x05\x06")]
    data = content[:start] + entry * 20_001
    data += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) * 20_001, start, 0)
    assert refused(data).code == "file_too_large"


def test_members_that_share_their_bytes_are_counted_each() -> None:
    """As in the bombs without nesting: a thousand names for one piece of compressed data."""
    content = zips.zipped({"word/document.xml": random.Random(1).randbytes(1_000) * 1_000})
    end = content.rfind(b"PK\x05\x06")
    start = struct.unpack_from("<L", content, end + 16)[0]
    entry = content[start:end]
    data = content[:start] + entry * 5_000
    data += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 5_000, 5_000, len(entry) * 5_000, start, 0)
    assert refused(data).code == "file_too_large"


def test_a_member_gives_no_more_than_was_declared() -> None:
    content = bytearray(zips.zipped({"word/document.xml": bytes(1 << 20)}))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", content, content.find(signature) + place, 100)
    with pytest.raises(InputError):
        Archive(bytes(content)).read("word/document.xml")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_compressions_are_refused(method: int) -> None:
    refused(zips.zipped({"word/document.xml": b"x", "_rels/.rels": b"<a/>"}, method))


def test_archives_in_archives_stay_closed() -> None:
    inner = zips.zipped({"a": bytes(1 << 20)})
    data = zips.docx(zips.paragraph("text"), embedded=zips.zipped({"b": inner}))
    assert convert(data, ReadOptions()).markdown == "text"


def test_names_do_not_lead_anywhere() -> None:
    files = {
        "_rels/.rels": zips.relations(("r", "officeDocument", "../../../etc/passwd")),
        "word/document.xml": "<x/>",
        "../../evil": "x",
        "/etc/passwd": "x",
    }
    refused(zips.zipped(files))


def test_pictures_that_are_not_read_are_said() -> None:
    data = zips.office("docx", {"word/document.xml": "<document><body/></document>", "word/media/a.png": b"x"})
    assert [note.code for note in convert(data, ReadOptions()).notes] == ["pictures_left_out", "no_text"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_office_files_that_declare_types_or_entities_are_refused(encoding: str) -> None:
    bomb = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
        "<a>&a;&b;</a>"
    ).encode(encoding)
    assert "declares" in refused(zips.office("docx", {"word/document.xml": bomb})).message
    assert "declares" in refused(zips.xlsx("", strings=bomb)).message
    with pytest.raises(InputError):
        parse(bomb, doctype=True)
    split = b" " * ((1 << 16) - 5) + b'<!DOCTYPE a SYSTEM "b"><a/>'
    with pytest.raises(InputError):
        list(each(io.BytesIO(split), "a"))


def test_entities_are_not_expanded_even_where_the_encoding_hides_them() -> None:
    text = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">]><a>&a;</a>'
    for encoding in ("utf-7", "cp037", "utf-32"):
        declared = f'<?xml version="1.0" encoding="{encoding}"?>'.encode()
        data = (declared if encoding == "utf-7" else b"") + text.replace(
            "<", "+ADw-" if encoding == "utf-7" else "<"
        ).encode(encoding)
        with suppress(InputError):
            assert "aaaa" not in "".join(parse(data).itertext())


def test_depth_is_bounded() -> None:
    deep = "<w:sdt>" * 5_000 + "</w:sdt>" * 5_000
    refused(zips.docx(deep))
    for depth in (60, 120):
        convert(zips.docx("<w:sdt><w:sdtContent>" * depth + "</w:sdtContent></w:sdt>" * depth), ReadOptions())


@pytest.mark.parametrize("kind", ["docx", "xlsx", "pptx"])
def test_packages_with_parts_missing_are_refused(kind: str) -> None:
    main = zips.MAIN[kind]
    refused(zips.zipped({main: "<x/>"}))
    refused(zips.zipped({main: "<x", "_rels/.rels": zips.relations(("r", "officeDocument", main))}))
    refused(zips.zipped({main: "<x/>", "_rels/.rels": "not xml"}))


def test_mutations_are_read_or_refused() -> None:
    samples = [
        zips.docx(zips.paragraph("some text ") * 20, styles="<w:style/>"),
        zips.xlsx('<row><c t="s"><v>0</v></c><c><v>1</v></c></row>' * 20, strings="<si><t>text</t></si>"),
        zips.epub(["<html><body><h1>a</h1><p>b</p></body></html>"] * 3),
        b"<!doctype html><table><tr><td>a<td>b</table><ul><li>x</ul>" * 5,
        "a;b\n1;2\nGröße;€\n".encode("cp1252") * 20,
    ]
    chance = random.Random(5)
    read = 0
    for number in range(300):
        data = bytearray(samples[number % len(samples)])
        for _ in range(chance.randrange(1, 6)):
            place = chance.randrange(len(data))
            if chance.random() < 0.2:
                del data[place : place + chance.randrange(1, 200)]
            elif chance.random() < 0.3:
                data[place:place] = chance.randbytes(chance.randrange(1, 20))
            else:
                data[place] = chance.randrange(256)
            data = data or bytearray(b"x")
        try:
            convert(bytes(data), ReadOptions(filename=chance.choice(["", "a.csv", "a.html"])))
            read += 1
        except InputError as error:
            assert error.status == 400
    assert read > 30
