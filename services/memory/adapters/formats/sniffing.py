"""What a file is, by its bytes first and by the ending of its name second."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

from services.memory.adapters.formats import archive, plain
from services.memory.engines import DocumentProtected, DocumentUnreadable, DocumentUnsupported

Kind = Literal["pdf", "docx", "html", "markdown", "text"]
MEDIA_TYPES: dict[Kind, str] = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "html": "text/html",
    "markdown": "text/markdown",
    "text": "text/plain",
}

_HEAD = 1024
"""Bytes: where a PDF's mark and HTML's charset are looked for, as viewers and browsers do."""
_SAMPLE = 65_536
_MOST_CONTROLS = 0.02
"""Share of control characters in a text; compressed data has 0.1."""
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\v\b\x1b"))
"""Not those that terminals and printers use in texts."""
_ALWAYS = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\x7fELF", "an executable"),
    (b"\xca\xfe\xba\xbe", "an executable"),
    (b"\xcf\xfa\xed\xfe", "an executable"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"PK\x07\x08", "a part of a ZIP archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x1aE\xdf\xa3", "a film"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS-", "a PostScript document"),
)
_WITH_NUL = (
    # These could begin a text as well; what they announce has NUL bytes near the start.
    (b"MZ", "a Windows executable"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a bitmap picture"),
    (b"RIFF", "a sound, picture or film"),
    (b"ID3", "an MP3 sound"),
    (b"OggS", "an Ogg sound"),
    (b"fLaC", "a FLAC sound"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
)
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*|<!--(?:[^-]|-(?!->))*-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta|h1|p|div)\b",
    re.IGNORECASE,
)
_SVG = re.compile(r"\s*(?:<\?xml[^>]*>\s*|<!--(?:[^-]|-(?!->))*-->\s*|<!doctype[^>]*>\s*)*<svg\b", re.IGNORECASE)
_HTML_ENDINGS = {".html", ".htm", ".xhtml"}
_MARKDOWN_ENDINGS = {".md", ".markdown", ".mdown", ".mkd"}
_OTHER_HINT = "Save it as PDF, DOCX, HTML, Markdown or plain text."
_CHECK = "Check that this is the right file, and that it opens elsewhere."


def kind_of(name: str, content: bytes) -> Kind:
    """Raises `DocumentUnsupported`, or the other errors of the port where the first look already shows them."""
    ending = PurePosixPath(name.lower()).suffix
    if (binary := _binary(ending, content)) is not None:
        return binary
    if ending in {".pdf", ".docx"}:
        what = "is empty" if not content else f"is named {ending} but holds something else"
        raise DocumentUnreadable(f"The file {what}.", hint=_CHECK)
    head = plain.decode(content[:_HEAD])
    if _SVG.match(head):
        raise DocumentUnsupported("The file is an SVG picture.", hint=_OTHER_HINT)
    if ending in _HTML_ENDINGS or (ending not in _MARKDOWN_ENDINGS and _HTML.match(head)):
        return "html"
    return "markdown" if ending in _MARKDOWN_ENDINGS else "text"


def _binary(ending: str, content: bytes) -> Kind | None:
    """The kind of what is no text; None for text."""
    head = content[:_HEAD]
    if head.lstrip().startswith(b"%PDF-") or (ending == ".pdf" and b"%PDF-" in head):
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return archive.kind_of(ending, content)
    if head.startswith(_COMPOUND):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise DocumentProtected("The document is protected with a password.", hint="Save it without one.")
        raise DocumentUnsupported("The file is in the old format of Word, Excel or Outlook.", hint=_OTHER_HINT)
    for mark, what in _ALWAYS:
        if head.startswith(mark):
            raise DocumentUnsupported(f"The file is {what}.", hint=_OTHER_HINT)
    if plain.has_wide_mark(content):
        return None
    sample = content[:_SAMPLE]
    if b"\x00" in content:
        what = next((what for mark, what in _WITH_NUL if head.startswith(mark)), "")
        if head[4:8] == b"ftyp":
            what = "a film or picture"
        raise DocumentUnsupported(f"The file is {what or 'no text: it has NUL bytes'}.", hint=_OTHER_HINT)
    if len(sample) - len(sample.translate(None, _CONTROLS)) > _MOST_CONTROLS * len(sample):
        raise DocumentUnsupported("The file is no text: it is full of control characters.", hint=_OTHER_HINT)
    return None
