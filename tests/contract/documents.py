"""Documents to read, made on the spot."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Sequence

MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{MAIN}"/>'
    "</Types>"
)
RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="word/document.xml" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>'
)
SUBJECTS = ("The keeper", "A ship", "The old harbour", "Her brother", "Every lamp", "The winter storm", "Our neighbour")
VERBS = ("watches", "remembers", "repairs", "follows", "describes", "forgets", "paints")
OBJECTS = ("the lighthouse", "a copper kettle", "the northern coast", "seven letters", "the ferry", "an empty garden")
WHEN = ("at dawn", "in the rain", "before the market opens", "on quiet Sundays", "without a word", "once more")


def sentences(count: int, seed: int = 1) -> list[str]:
    dice = random.Random(seed)
    return [
        f"{dice.choice(SUBJECTS)} {dice.choice(VERBS)} {dice.choice(OBJECTS)} {dice.choice(WHEN)}, number {number}."
        for number in range(count)
    ]


def prose(count: int, seed: int = 1) -> str:
    """So many sentences, five to a paragraph."""
    said = sentences(count, seed)
    return "\n\n".join(" ".join(said[at : at + 5]) for at in range(0, count, 5))


def pdf(pages: Sequence[Sequence[str]], password: str | None = None) -> bytes:
    """A page for each sequence of lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, about Python's future
        from reportlab.lib.pdfencrypt import StandardEncryption
        from reportlab.pdfgen.canvas import Canvas

    written = io.BytesIO()
    encrypt = None if password is None else StandardEncryption(password, canPrint=0)
    canvas = Canvas(written, invariant=1, encrypt=encrypt)
    for lines in pages:
        for number, line in enumerate(lines):
            canvas.drawString(50, 800 - 14 * number, line)
        canvas.showPage()
    canvas.save()
    return written.getvalue()


def raw_pdf(content: bytes, filters: str = "/FlateDecode") -> bytes:
    """One page with this compressed stream of drawing commands."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
        b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        f"<< /Length {len(content)} /Filter [{filters}] >>\nstream\n".encode() + content + b"\nendstream",
    ]
    written = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(written))
        written += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = len(written)
    written += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    written += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    written += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(written)


def docx(*paragraphs: str) -> bytes:
    from docx import Document

    document = Document()
    for paragraph in paragraphs:
        if paragraph.startswith("# "):
            document.add_heading(paragraph[2:], 1)
        else:
            document.add_paragraph(paragraph)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def body(inner: str, before: str = "") -> str:
    return f'<?xml version="1.0"?>{before}<w:document xmlns:w="{W}"><w:body>{inner}</w:body></w:document>'


def raw_docx(document: str | bytes, extra: Sequence[tuple[str, bytes]] = ()) -> bytes:
    """The least that is a Word document, with this as its main part, and other entries."""
    written = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # a name twice is what some tests want
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("_rels/.rels", RELATIONS)
        archive.writestr("word/document.xml", document)
        for name, content in extra:
            archive.writestr(name, content)
    return written.getvalue()


def overlapping_docx() -> bytes:
    """Two entries of the directory name the same bytes, as in a bomb without nesting."""
    whole = raw_docx(body("<w:p/>"), [("word/a.xml", b"<a/>" * 50), ("word/b.xml", b"<a/>" * 50)])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        first, second = (archive.getinfo(f"word/{name}.xml").header_offset for name in "ab")
    at = whole.rfind(struct.pack("<L", second))
    return whole[:at] + struct.pack("<L", first) + whole[at + 4 :]


def png() -> bytes:
    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))

    header = struct.pack(">LLBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"\0\0")) + part(b"IEND", b"")


def executable() -> bytes:
    return (
        b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff"
        + b"\x00" * 50
        + b"This program cannot be run in DOS mode."
    )


def zipped(**entries: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return written.getvalue()
