"""Text of PDF documents, page by page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from services.memory.adapters.formats.plain import Page, clean
from services.memory.engines import DocumentProtected, DocumentTooLarge, DocumentUnreadable
from solo.isolation.call import Call

_PASSWORD, _SECURITY = 4, 5
"""FPDF_ERR_PASSWORD and FPDF_ERR_SECURITY of fpdfview.h."""
_OBJECT = re.compile(rb"\d+ \d+ obj\b")
_END = b"%%EOF"
_LIGATURE = re.compile("[\ufb00-\ufb06]")
_HINT = "Check that the file opens elsewhere, and save it again there."


def pages(call: Call, content: bytes, max_chars: int, max_pages: int) -> Iterator[Page]:
    """Every page, those without text as well; ends early when the asker has left."""
    import pypdfium2

    _require_whole(content)
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if error.err_code == _PASSWORD:
            raise DocumentProtected("The PDF is protected with a password.", hint="Save it without one.") from error
        if error.err_code == _SECURITY:
            raise DocumentProtected("The PDF is encrypted in a way unknown here.", hint="Save it without.") from error
        raise DocumentUnreadable("The PDF is damaged: its structure cannot be read.", hint=_HINT) from error
    try:
        count = len(document)
        if count == 0:
            raise DocumentUnreadable("The PDF is damaged: it has no pages.", hint=_HINT)
        if count > max_pages:
            raise DocumentTooLarge(f"The PDF has {count} pages, more than {max_pages}.", hint="Split it.")
        for number in range(1, count + 1):
            if call.cancelled:
                return
            text = _text(document, number, max_chars)
            max_chars -= len(text)
            yield Page(number, text)
    finally:
        document.close()


def _text(document: object, number: int, max_chars: int) -> str:
    import pypdfium2

    try:
        page = document[number - 1]  # type: ignore[index]  # a PdfDocument; the library has no types
        textpage = page.get_textpage()
        try:
            if textpage.count_chars() > 2 * max_chars:  # it counts in UTF-16
                raise DocumentTooLarge(f"The PDF has too much text on page {number}.", hint="Split it.")
            raw = textpage.get_text_range()
        finally:
            textpage.close()
            page.close()
    except pypdfium2.PdfiumError as error:
        raise DocumentUnreadable(f"The PDF is damaged: page {number} cannot be read.", hint=_HINT) from error
    # A word parted at the end of a line comes whole, with a mark for its hyphen that `clean` takes out.
    return clean(_LIGATURE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), raw))


def _require_whole(content: bytes) -> None:
    """PDFium mends a file that is cut off and gives what is left, as if that were all: half a document unnoticed."""
    end = content.rfind(_END)
    if end < 0 or _OBJECT.search(content, end):
        raise DocumentUnreadable("The PDF is cut off: its end is missing.", hint="Copy or download the file again.")
