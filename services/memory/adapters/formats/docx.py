"""Text of Word documents: paragraphs and tables in reading order."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from services.memory.adapters.formats import archive
from services.memory.adapters.formats.plain import Page, clean
from solo.isolation.call import Call

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
"""The same once more, for programs of 2003."""
_PARAGRAPH, _TABLE, _ROW, _CELL = f"{_W}p", f"{_W}tbl", f"{_W}tr", f"{_W}tc"
_STYLE = f"{_W}pPr/{_W}pStyle"
_SKIPPED = {
    _FALLBACK,
    *(_W + name for name in ("pPr", "rPr", "tblPr", "tblGrid", "trPr", "tcPr", "sectPr", "sdtPr", "sdtEndPr", "del")),
    *(_W + name for name in ("moveFrom", "instrText", "delText")),
}
_TEXT = f"{_W}t"
_SIGNS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_HEADINGS = ("heading", "title")
_GAP = re.compile(r"\n{3,}")


def pages(call: Call, content: bytes) -> Iterator[Page]:
    """One page, since Word documents have none of their own; none when the asker has left.

    Raises the errors of `archive.check`, and the library's.
    """
    archive.check(content)
    import docx

    try:
        # It replaces no entities and loads nothing from outside; the depth is bounded to 256.
        document = docx.Document(io.BytesIO(content))
    except SyntaxError as error:  # lxml's
        if error.lineno:
            raise
        raise MemoryError from error  # a fault in the document has a line, a want of memory has none
    headings = {style.style_id for style in document.styles if style.name and style.name.lower().startswith(_HEADINGS)}
    lines: list[str] = []
    for line in _blocks(document.element.body, headings):
        if call.cancelled:
            return
        lines.append(line)
    # Control characters that become line breaks count for the gaps as well.
    yield Page(None, _GAP.sub("\n\n", clean("\n".join(lines))).strip("\n"))


def _blocks(parent: Any, headings: set[str]) -> Iterator[str]:
    """Paragraphs and tables, also those inside content controls, which python-docx passes over."""
    for child in parent:
        if child.tag == _PARAGRAPH:
            style = child.find(_STYLE)
            is_heading = style is not None and style.get(f"{_W}val") in headings
            text = "".join(_inline(child))
            # An empty line before a heading keeps it with what follows when the text is cut.
            yield f"\n\n{text}" if is_heading and text else text
        elif child.tag == _TABLE:
            rows = [_row(row, headings) for row in _inside(child, _ROW)]
            yield "\n" + "\n".join(rows) + "\n"
        elif child.tag not in _SKIPPED:
            yield from _blocks(child, headings)


def _row(row: Any, headings: set[str]) -> str:
    cells = (" ".join(" ".join(_blocks(cell, headings)).split()) for cell in _inside(row, _CELL))
    return " | ".join(cells).rstrip("| ")


def _inside(parent: Any, tag: str) -> Iterator[Any]:
    """Rows of a table, cells of a row; a change mark or content control may be around them."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag not in _SKIPPED:
            yield from _inside(child, tag)


def _inline(parent: Any) -> Iterator[str]:
    for child in parent:
        if child.tag == _TEXT:
            yield child.text or ""
        elif child.tag in _SIGNS:
            yield _SIGNS[child.tag]
        elif child.tag == _PARAGRAPH:  # of a text box
            yield "\n"
            yield from _inline(child)
            yield "\n"
        elif child.tag not in _SKIPPED:
            yield from _inline(child)
