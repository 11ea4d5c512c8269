"""Files that are broken, lie or attack: each gives passages or one of the port's errors, never anything else."""

from __future__ import annotations

import random
import zlib

import pytest

from services.memory.adapters.reader import DocumentReader
from services.memory.engines import DocumentProtected, DocumentTooLarge, DocumentUnreadable, DocumentUnsupported
from solo.isolation.call import Call
from tests.contract import documents
from tests.contract.documents import body, prose, raw_docx, sentences

ERRORS = (DocumentUnreadable, DocumentUnsupported, DocumentTooLarge, DocumentProtected)
SEED = 20_240
CUTS = 25
SCRATCHES = 60


def _wholes() -> dict[str, bytes]:
    lines = sentences(60)
    return {
        "a.pdf": documents.pdf([lines[:40], lines[40:]]),
        "a.docx": documents.docx("# Title", *lines),
        "a.html": "".join(f"<p>{line} <b>ü</b></p>" for line in lines).encode(),
        "a.md": ("# Über\n\n" + prose(60)).encode(),
        "utf16.txt": prose(30).encode("utf-16"),
    }


WHOLES = _wholes()


def _attacks() -> dict[str, tuple[str, bytes]]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    deep = "<w:sdt><w:sdtContent>" * 50_000
    bomb = zlib.compress(zlib.compress(b"q\n" * 1_000_000, 9), 9)
    return {
        "billion laughs": ("a.docx", raw_docx(body("<w:p>&l11;</w:p>", f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'))),
        "laughs in the relations": ("a.docx", _replaced(b"<Relationships", b"<!DOCTYPE x><Relationships")),
        "deep XML": ("a.docx", raw_docx(body(deep))),
        "nested tables": ("a.docx", raw_docx(body("<w:tbl><w:tr><w:tc>" * 80 + "</w:tc></w:tr></w:tbl>" * 80))),
        "not XML": ("a.docx", raw_docx(b"\x00\x01 no XML")),
        "empty part": ("a.docx", raw_docx(b"")),
        "another root": ("a.docx", raw_docx("<x/>")),
        "no document": ("a.docx", documents.zipped(**{"[Content_Types].xml": b"", "word/x": b""})),
        "zip bomb": ("a.docx", raw_docx(body("") + " " * 100_000_000)),
        "zip in zip": ("a.docx", raw_docx(body("<w:p/>"), [("word/a.zip", documents.zipped(a=b"b"))])),
        "name outside": ("a.docx", raw_docx(body(""), [("../../etc/passwd", b"x")])),
        "name twice": ("a.docx", raw_docx(body(""), [("word/document.xml", b"x")])),
        "overlapping": ("a.docx", documents.overlapping_docx()),
        "plain zip": ("a.zip", documents.zipped(a=b"b")),
        "UTF-8 that is none": ("a.txt", b"caf\xe9 \xc3\x28 \xed\xa0\x80 \xf8\x88\x80\x80\x80 " * 200),
        "marks of direction": ("a.txt", "\u202e\u2066abc\u200f \u2069שלום\u202c".encode() * 200),
        "NUL": ("a.txt", b"a\x00b"),
        "half surrogates": ("a.txt", b"\xff\xfe" + b"\x00\xd8a\x00" * 500),
        "odd UTF-16": ("a.txt", b"\xff\xfea\x00b"),
        "one long line": ("a.txt", b"x" * 104_857_600),
        "one long line within limits": ("a.txt", b"word, " * 6_000),
        "one long word": ("a.md", b"x" * 500_000),
        "empty lines": ("a.md", b"\n" * 1_000_000),
        "deep HTML": ("a.html", b"<div>" * 100_000),
        "deep HTML, quoted": ("a.html", b"<p title='<div>'>" * 20_000),
        "cut HTML": ("a.html", b"<p>a<!-- <b> <script> x"),
        "encrypted PDF": ("a.pdf", documents.pdf([["a"]], password="x")),
        "PDF bomb": ("a.pdf", documents.raw_pdf(bomb, "/FlateDecode /FlateDecode")),
        "PDF of endless pages": ("a.pdf", documents.pdf([["a"]]).replace(b"/Count 1", b"/Count 2000000000")),
        "PDF of pages in a circle": ("a.pdf", documents.raw_pdf(b"").replace(b"[3 0 R]", b"[2 0 R]")),
        "PDF with bad streams": ("a.pdf", documents.raw_pdf(b"no stream of zlib")),
        "empty PDF": ("a.pdf", b""),
        "empty DOCX": ("a.docx", b""),
        "empty": ("a.txt", b""),
        "picture as document": ("a.pdf", documents.png()),
        "program as document": ("a.docx", documents.executable()),
        "text as PDF": ("a.pdf", b"just words"),
        "a strange name": ("../\x00\u202e/.pdf.", b"just words"),
    }


def _replaced(old: bytes, new: bytes) -> bytes:
    return raw_docx(body("<w:p/>"), [("word/_rels/document.xml.rels", documents.RELATIONS.encode().replace(old, new))])


@pytest.fixture(scope="module")
def reader() -> DocumentReader:
    engine = DocumentReader()
    engine.load()
    return engine


def outcome(reader: DocumentReader, name: str, content: bytes) -> str | None:
    """The code of the error, after all that is promised has been looked at."""
    try:
        result = reader.read(Call(), name, content)
    except ERRORS as error:
        assert error.hint
        assert 10 < len(error.message) < 300
        assert error.message.isprintable()
        return error.code
    for chunk in result["chunks"]:
        chunk["text"].encode("utf-8")
        assert "\x00" not in chunk["text"]
        assert len(chunk["text"]) <= 1600
    return None


ATTACKS = _attacks()
EXPECTED = {
    "memory.too_large": {"zip bomb", "deep HTML", "one long line"},
    "memory.protected": {"encrypted PDF"},
    "memory.unsupported": {"plain zip", "NUL", "picture as document", "program as document"},
    "memory.unreadable": {
        *("deep XML", "not XML", "empty part", "another root", "no document", "name outside", "name twice"),
        *("overlapping", "empty PDF", "empty DOCX", "text as PDF"),
    },
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_an_error_or_harmless(reader: DocumentReader, attack: str) -> None:
    found = outcome(reader, *ATTACKS[attack])
    for code, attacks in EXPECTED.items():
        if attack in attacks:
            assert found == code


@pytest.mark.parametrize("name", WHOLES)
def test_the_whole_file_is_read(reader: DocumentReader, name: str) -> None:
    assert outcome(reader, name, WHOLES[name]) is None


@pytest.mark.parametrize("name", ["a.pdf", "a.docx"])
def test_a_file_that_is_cut_off_is_unreadable(reader: DocumentReader, name: str) -> None:
    whole = WHOLES[name]
    dice = random.Random(SEED)
    for size in (1, 4, len(whole) - 10, *dice.sample(range(len(whole) - 10), CUTS)):
        assert outcome(reader, name, whole[:size]) == "memory.unreadable", size


@pytest.mark.parametrize("name", WHOLES)
def test_a_scratched_file_is_an_error_or_harmless(reader: DocumentReader, name: str) -> None:
    """Some bytes are others, are gone, or are there twice."""
    dice = random.Random(SEED)
    for _ in range(SCRATCHES):
        broken = bytearray(WHOLES[name])
        for _ in range(dice.randrange(1, 12)):
            at = dice.randrange(len(broken))
            match dice.randrange(3):
                case 0:
                    broken[at] = dice.randrange(256)
                case 1:
                    del broken[at : at + dice.randrange(1, 50)]
                case _:
                    broken[at:at] = broken[at : at + 50]
        outcome(reader, name, bytes(broken))


@pytest.mark.parametrize("ending", ["txt", "md", "html", "pdf", "docx", "bin"])
def test_random_bytes_are_an_error_or_harmless(reader: DocumentReader, ending: str) -> None:
    dice = random.Random(SEED)
    for start in (b"", b"%PDF-1.7\n", b"PK\x03\x04", b"<html>", b"\xff\xfe", b"\xef\xbb\xbf", b"\xff\xfe\x00\x00"):
        for size in (10, 3000):
            outcome(reader, f"a.{ending}", start + dice.randbytes(size))
