"""Looks through the directory of a ZIP archive before anything is unpacked."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Literal

from services.memory.engines import DocumentProtected, DocumentTooLarge, DocumentUnreadable, DocumentUnsupported

_DAMAGED = (
    zipfile.BadZipFile,
    struct.error,
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,  # NotImplementedError is one: zipfile says so of versions that it does not know
    ValueError,  # UnicodeDecodeError is one
)
"""What zipfile raises of a directory that is not one."""
MOST_ENTRIES = 10_000
MOST_UNPACKED = 256 * 1024 * 1024
"""Bytes of all entries together."""
MOST_XML = 64 * 1024 * 1024
"""Bytes of one XML entry: the tree of 50 MB of empty paragraphs took 840 MB."""
MOST_RATIO = 200
"""Unpacked size over size, of archives that unpack to more than `_SMALL`; deflate reaches 1032."""
_SMALL = 16 * 1024 * 1024
_ENTRY_MARK = b"PK\x01\x02"
_LOCAL_HEADER = 30
_ENCRYPTED = 1
_HINT = "Save the document again, or as PDF."
_OTHERS = (
    ("xl/", "an Excel workbook"),
    ("ppt/", "a PowerPoint presentation"),
    ("META-INF/container.xml", "an EPUB book"),
    ("META-INF/manifest.xml", "an OpenDocument file"),
)


def kind_of(ending: str, content: bytes) -> Literal["docx"]:
    """Raises `DocumentUnsupported` for every archive but a Word document."""
    try:
        names = [info.filename for info in _directory(content)]
    except DocumentUnreadable:
        if ending == ".docx" or b"[Content_Types].xml" in content[:4096]:
            raise
        raise DocumentUnsupported(
            "The file is a damaged ZIP archive.", hint="Unpack it and add what is in it."
        ) from None
    if "[Content_Types].xml" in names and any(name.startswith("word/") for name in names):
        return "docx"
    for start, what in _OTHERS:
        if any(name.startswith(start) for name in names):
            raise DocumentUnsupported(f"The file is {what}.", hint="Save it as PDF or plain text.")
    raise DocumentUnsupported("The file is a ZIP archive.", hint="Unpack it and add what is in it.")


def check(content: bytes) -> None:
    """Raises the errors of the port for what should not be unpacked."""
    infos = sorted(_directory(content), key=lambda info: info.header_offset)
    seen: set[str] = set()
    end = 0
    for info in infos:
        name = info.orig_filename
        if info.flag_bits & _ENCRYPTED:
            raise DocumentProtected("The document is protected with a password.", hint="Save it without one.")
        if name.startswith(("/", "\\")) or ":" in name or "\x00" in name or ".." in name.replace("\\", "/").split("/"):
            raise DocumentUnreadable("The document names a file outside of itself.", hint=_HINT)
        if name.casefold() in seen:
            raise DocumentUnreadable("The document has two parts of one name.", hint=_HINT)
        seen.add(name.casefold())
        if info.header_offset < end:
            raise DocumentUnreadable("The parts of the document overlap.", hint=_HINT)
        end = info.header_offset + _LOCAL_HEADER + len(name) + info.compress_size
        if info.file_size > MOST_XML and name.lower().endswith((".xml", ".rels")):
            raise DocumentTooLarge(f"A part of the document unpacks to {_mib(info.file_size)} MiB.", hint="Split it.")
    unpacked = sum(info.file_size for info in infos)
    if unpacked > MOST_UNPACKED or unpacked > max(_SMALL, MOST_RATIO * len(content)):
        raise DocumentTooLarge(
            f"The document unpacks to {_mib(unpacked)} MiB.", hint="Split it, or leave out pictures."
        )


def _directory(content: bytes) -> list[zipfile.ZipInfo]:
    # Counted before Python makes an object of each entry.
    if content.count(_ENTRY_MARK) > MOST_ENTRIES:
        raise DocumentTooLarge(f"The archive has more than {MOST_ENTRIES} entries.", hint="Unpack it first.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.infolist()
    except _DAMAGED as error:
        raise DocumentUnreadable("The archive's directory is damaged or cut off.", hint=_HINT) from error


def _mib(size: int) -> int:
    return size // 1024**2
