"""Plain text: which characters the bytes stand for, and which of those are kept."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

_MARKS = (
    # The longer first: the mark of UTF-32 begins as that of UTF-16 does.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = tuple(mark for mark, name in _MARKS if name != "utf-8-sig")
_BREAK = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_UNWANTED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\ufeff\ufffe\uffff\ud800-\udfff]")
"""Control characters (PostgreSQL's text holds no NUL), half surrogates (UTF-8 has none), marks of byte order, and soft
hyphens, which would part a word that is searched for."""
_DECLARABLE = re.compile(
    r"(?:us-)?ascii|latin-?1|iso-?8859-\d{1,2}|(?:windows-|cp)125\d|koi8-[ru]|shift[_-]jis|euc-(?:jp|kr)|big5|"
    r"gb2312|gbk|gb18030|iso-2022-jp",
    re.IGNORECASE,
)
"""What a document may call itself: Python knows more, such as punycode, which takes minutes on a large text."""
_AS_WINDOWS_1252 = re.compile(r"(?:us-)?ascii|latin-?1|iso-?8859-1", re.IGNORECASE)
"""By the WHATWG Encoding Standard these labels mean windows-1252."""


class Page(NamedTuple):
    number: int | None
    """From 1; None where the format has no pages."""
    text: str
    """As `clean` leaves it; offsets of chunks count from its start."""


def has_wide_mark(content: bytes) -> bool:
    """Whether the bytes begin with the mark of UTF-16 or UTF-32, in which NUL bytes are usual."""
    return content.startswith(_WIDE)


def decode(content: bytes, declared: str | None = None) -> str:
    """By the mark at the start, else as UTF-8 where it fits, else as `declared` (a label), else as windows-1252."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return content.decode(name, "replace")
    if declared is not None and declared.lower() == "iso-2022-jp":  # looks like ASCII, thus like UTF-8
        return content.decode("iso-2022-jp", "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if declared is not None and _DECLARABLE.fullmatch(declared) and not _AS_WINDOWS_1252.fullmatch(declared):
        try:
            return content.decode(declared, "replace")
        except LookupError:
            pass  # iso-8859-12 and such
    mostly = content.decode("utf-8", "replace")
    bad = mostly.count("\ufffd")
    if sum(map("\x7f".__lt__, mostly)) > 2 * bad:  # UTF-8 with a scratch: other encodings hardly ever look like it
        return mostly
    try:
        return content.decode("windows-1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def clean(text: str) -> str:
    """With `\\n` between lines, and without what nobody sees or PostgreSQL cannot hold."""
    return _UNWANTED.sub("", _BREAK.sub("\n", text))
