"""What a file is taken for."""

from __future__ import annotations

import pytest

from services.memory.adapters.formats.sniffing import kind_of
from services.memory.engines import DocumentProtected, DocumentUnreadable, DocumentUnsupported
from tests.contract import documents

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.pdf", b"%PDF-1.7\n", "pdf"),
        ("a", b"\n %PDF-1.7\n", "pdf"),
        ("a.txt", b"%PDF-1.7\n", "pdf"),
        ("a.pdf", b"mail header\r\n\r\n%PDF-1.7\n", "pdf"),
        ("a.txt", b"The mark is %PDF-1.7.", "text"),
        ("a.docx", documents.docx("a"), "docx"),
        ("A.ZIP", documents.docx("a"), "docx"),
        ("a.html", b"plain words", "html"),
        ("A.HTM", b"", "html"),
        ("a", b"<!DOCTYPE html><p>x", "html"),
        ("a.txt", b"\xef\xbb\xbf <!-- a - b --><HTML>", "html"),
        ("a.txt", '<?xml version="1.0"?>\n<html>'.encode("utf-16"), "html"),
        ("README.md", b"<div align=center>\n# x", "markdown"),
        ("a.markdown", b"", "markdown"),
        ("a.txt", b"# Not Markdown by its name", "text"),
        ("a.csv", b"a;b\n1;2\n", "text"),
        ("", b"no name", "text"),
        ("a.png", b"words after all", "text"),
        ("a.txt", b"MZ begins this text", "text"),
        ("a.txt", b"BM and RIFF and GIF8", "text"),
        ("a.log", b"\x1b[31mred\x1b[0m", "text"),
        ("a.xml", b"<?xml version='1.0'?><recipe/>", "text"),
    ],
)
def test_bytes_before_ending(name: str, content: bytes, kind: str) -> None:
    assert kind_of(name, content) == kind


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (documents.png(), "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "JPEG"),
        (b"GIF89a\x01\x00\x01\x00", "GIF"),
        (documents.executable(), "Windows executable"),
        (b"\x7fELF\x02\x01\x01" + bytes(9), "executable"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (bytes(4) + b"ftypheic", "film or picture"),
        (b"{\\rtf1 x}", "RTF"),
        (b"abc\x00", "NUL"),
        (bytes(range(1, 9)) * 10, "control characters"),
        (OLE, "old format"),
        (documents.zipped(a=b"b"), "ZIP"),
        (documents.zipped(a=b"b")[:-9], "damaged ZIP"),
        (b"PK\x05\x06" + bytes(18), "empty ZIP"),
        (documents.zipped(**{"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "Excel"),
        (documents.zipped(**{"[Content_Types].xml": b"", "ppt/presentation.xml": b""}), "PowerPoint"),
        (documents.zipped(mimetype=b"", **{"META-INF/manifest.xml": b""}), "OpenDocument"),
        (documents.zipped(mimetype=b"", **{"META-INF/container.xml": b""}), "EPUB"),
    ],
)
@pytest.mark.parametrize("name", ["a", "a.txt", "a.pdf", "a.html", "a.md"])
def test_what_is_no_document_is_named(name: str, content: bytes, said: str) -> None:
    with pytest.raises(DocumentUnsupported, match=said) as refused:
        kind_of(name, content)
    assert refused.value.hint


@pytest.mark.parametrize("name", ["a.pdf", "A.DOCX"])
@pytest.mark.parametrize(("content", "said"), [(b"", "is empty"), (b"words", "holds something else")])
def test_what_is_not_what_it_is_called(name: str, content: bytes, said: str) -> None:
    with pytest.raises(DocumentUnreadable, match=said):
        kind_of(name, content)


@pytest.mark.parametrize("name", ["a", "a.txt", "a.svg", "a.html", "a.md"])
def test_a_drawing_is_a_picture(name: str) -> None:
    with pytest.raises(DocumentUnsupported, match="SVG"):
        kind_of(name, b"<?xml version='1.0'?><!-- x --><svg xmlns='s'/>")


def test_an_encrypted_word_document() -> None:
    with pytest.raises(DocumentProtected):
        kind_of("a.docx", OLE + "EncryptedPackage".encode("utf-16-le"))


def test_a_word_document_that_is_cut_off() -> None:
    whole = documents.docx("a")
    with pytest.raises(DocumentUnreadable):
        kind_of("a.docx", whole[:-100])
    with pytest.raises(DocumentUnreadable):
        kind_of("", whole[:-100])
