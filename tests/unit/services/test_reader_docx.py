"""Word documents: what is read, and what is refused before it is unpacked."""

from __future__ import annotations

import io
import zipfile

import pytest

from services.memory.adapters.formats import archive, docx
from services.memory.engines import DocumentProtected, DocumentTooLarge, DocumentUnreadable
from solo.isolation.call import Call
from tests.contract import documents
from tests.contract.documents import body, raw_docx


def text(content: bytes) -> str:
    (page,) = docx.pages(Call(), content)
    assert page.number is None
    return page.text


def p(words: str) -> str:
    return f"<w:p><w:r><w:t>{words}</w:t></w:r></w:p>"


def test_paragraphs_and_headings() -> None:
    assert text(documents.docx("# One", "a", "b", "", "# Two", "ü c")) == "One\na\nb\n\nTwo\nü c"


def test_tables_in_their_place() -> None:
    first = f"<w:tr><w:tc>{p('a')}</w:tc><w:tc>{p('b')}{p('c')}</w:tc></w:tr>"
    table = f"<w:tbl>{first}<w:tr><w:tc>{p('d')}</w:tc></w:tr></w:tbl>"
    assert text(raw_docx(body(p("before") + table + p("after")))) == "before\n\na | b c\nd\n\nafter"


@pytest.mark.parametrize(
    ("inner", "seen"),
    [
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>", "a\tb\nc"),
        (f"<w:sdt><w:sdtContent>{p('control')}</w:sdtContent></w:sdt>", "control"),
        ("<w:p><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>", "link"),
        (
            "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>",
            "new",
        ),
        ("<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>x</w:t></w:r></w:p>", "x"),
        ("<w:p><w:r><w:instrText>PAGE</w:instrText><w:t>7</w:t></w:r></w:p>", "7"),
        ("", ""),
        ("<w:p/>", ""),
    ],
)
def test_what_is_read(inner: str, seen: str) -> None:
    assert text(raw_docx(body(inner))) == seen


def test_a_text_box_is_read_once() -> None:
    box = f"<w:txbxContent>{p('box')}</w:txbxContent>"
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    choice = (
        f"<mc:AlternateContent {mc}><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
    )
    assert text(raw_docx(body(f"<w:p><w:r>{choice}</w:r><w:r><w:t>after</w:t></w:r></w:p>"))).split() == [
        "box",
        "after",
    ]


def test_entities_are_not_replaced() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    secret = '<!ENTITY file SYSTEM "/etc/hostname">'
    content = raw_docx(body(p("a&l9;b&file;c"), f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}{secret}]>'))
    try:
        assert len(text(content)) < 100
    except Exception as error:
        assert "ntit" in str(error)


def test_what_python_docx_would_expand_is_not() -> None:
    """A cell as wide as a hundred million columns."""
    wide = f'<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="100000000"/></w:tcPr>{p("a")}</w:tc></w:tr></w:tbl>'
    assert text(raw_docx(body(wide))) == "a"


@pytest.mark.parametrize(
    "name", ["../evil.xml", "word/../../evil.xml", "/evil.xml", "\\evil.xml", "C:evil.xml", "a\\..\\b"]
)
def test_names_that_lead_outside_are_refused(name: str) -> None:
    with pytest.raises(DocumentUnreadable, match="outside"):
        archive.check(raw_docx(body(""), [(name, b"x")]))


def test_two_parts_of_one_name_are_refused() -> None:
    with pytest.raises(DocumentUnreadable, match="one name"):
        archive.check(raw_docx(body(""), [("word/document.xml", b"x")]))


def test_parts_that_overlap_are_refused() -> None:
    with pytest.raises(DocumentUnreadable, match="overlap"):
        archive.check(documents.overlapping_docx())


def test_a_bomb_is_refused_unopened() -> None:
    with pytest.raises(DocumentTooLarge, match="unpacks to 300 MiB"):
        archive.check(raw_docx(body(""), [(f"word/media/{n}.bin", bytes(100 * 2**20)) for n in range(3)]))
    with pytest.raises(DocumentTooLarge, match="unpacks to 70 MiB"):
        archive.check(raw_docx(body("") + " " * (70 * 2**20)))
    with pytest.raises(DocumentTooLarge, match="unpacks to 20 MiB"):
        archive.check(raw_docx(body(""), [("word/media/a.bin", bytes(20 * 2**20))]))


def test_so_are_too_many_parts() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as many:
        for number in range(archive.MOST_ENTRIES + 1):
            many.writestr(f"word/{number}", b"")
    with pytest.raises(DocumentTooLarge, match="entries"):
        archive.check(written.getvalue())


def test_a_size_that_is_a_lie_does_not_help() -> None:
    """Unpacking stops at the size that the directory names, and the checksum then fails."""
    content = bytearray(raw_docx(body(p("a" * 5000))))
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        size = whole.getinfo("word/document.xml").file_size
    at = content.rfind(size.to_bytes(4, "little"))
    content[at : at + 4] = (100).to_bytes(4, "little")
    with pytest.raises(zipfile.BadZipFile):
        text(bytes(content))


def test_an_encrypted_part() -> None:
    content = bytearray(documents.docx("a"))
    at = content.find(b"PK\x01\x02")
    content[at + 8] |= 1
    with pytest.raises(DocumentProtected):
        archive.check(bytes(content))


def test_it_stops_when_the_asker_has_left() -> None:
    call = Call()
    call.cancel()
    assert list(docx.pages(call, documents.docx("a", "b"))) == []
