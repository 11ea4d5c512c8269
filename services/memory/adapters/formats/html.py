"""Text of HTML pages: what a reader sees, with line breaks where blocks end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from services.memory.adapters.formats.plain import Page, clean, decode
from services.memory.engines import DocumentTooLarge
from solo.isolation.call import Call

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_-]{1,40})""", re.IGNORECASE)
_HEAD = 1024
_NOISE = {
    *(
        "script",
        "style",
        "template",
        "noscript",
        "svg",
        "math",
        "canvas",
        "iframe",
        "object",
        "embed",
        "audio",
        "video",
    ),
    *("nav", "button", "select", "textarea", "input", "dialog", "head"),
}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_APART = {"p", "table", "blockquote", "pre", "figure", "section", "article", "main", "hr", *_HEADINGS}
"""An empty line around."""
_LINES = {
    *(
        "div",
        "ul",
        "ol",
        "dl",
        "li",
        "tr",
        "dt",
        "dd",
        "header",
        "footer",
        "aside",
        "address",
        "caption",
        "figcaption",
        "details",
    ),
    *("summary", "form", "fieldset", "legend", "option", "thead", "tbody", "tfoot", "body", "center", "hgroup"),
}
"""A line of its own."""
_TAG = re.compile(rb"<(/?)([A-Za-z][A-Za-z0-9]*)")
_UNCOUNTED = {
    # Void elements, and those whose end is often left out and found by the parser.
    *(
        b"area",
        b"base",
        b"br",
        b"col",
        b"embed",
        b"hr",
        b"img",
        b"input",
        b"link",
        b"meta",
        b"source",
        b"track",
        b"wbr",
    ),
    *(b"p", b"li", b"dt", b"dd", b"option", b"tr", b"td", b"th", b"thead", b"tbody", b"tfoot", b"colgroup"),
}
_STYLING = {
    *(b"a", b"b", b"big", b"code", b"em", b"font", b"i", b"nobr", b"s", b"small", b"strike", b"strong", b"tt", b"u"),
}
"""What the parser opens again in every later block while it is not closed."""
_MOST_WORK = 500_000_000
"""Open elements summed over all tags: the parser looks through them at each (8e8 took 2.5 s)."""
_MOST_COPIES = 2_000_000
"""The same for styling, of which the parser makes copies."""
_LOOK_EVERY = 4096
"""Nodes between two looks whether the asker is still there."""


def pages(call: Call, content: bytes) -> Iterator[Page]:
    """One page; none when the asker has left. The title comes first. Raises `DocumentTooLarge`."""
    declared = _CHARSET.search(content[:_HEAD])
    utf8 = decode(content, None if declared is None else declared[1].decode("ascii")).encode("utf-8", "replace")
    _require_shallow(call, utf8)
    if call.cancelled:
        return
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(utf8)
    title = None if tree.head is None else tree.head.css_first("title")
    heading = "" if title is None else " ".join(clean(title.text()).split())
    writing = _Writing()
    if tree.body is not None and not writing.walk(call, tree.body):
        return
    text = clean("".join(writing.pieces)).strip("\n")
    if heading and not text.startswith(heading):
        text = f"{heading}\n\n{text}".strip("\n")
    yield Page(None, text)


class _Writing:
    """Puts the texts of a tree in a row, with the breaks and spaces that a browser would show."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._breaks = 0
        self._space = False
        self._mark = ""
        self._kept = 0
        """Depth of `pre`, where white space counts."""

    def walk(self, call: Call, root: Any) -> bool:
        """False when the asker has left. A loop, not a recursion: pages may be nested deeper than Python's stack."""
        node, depth, seen = root, 0, 0
        while True:
            seen += 1
            if seen % _LOOK_EVERY == 0 and call.cancelled:
                return False
            child = node.child if self._enter(node) else None
            if child is not None:
                node, depth = child, depth + 1
                continue
            while depth and node.next is None:
                node, depth = node.parent, depth - 1
                self._leave(node.tag)
            if depth == 0:
                return True
            node = node.next

    def _enter(self, node: Any) -> bool:
        """Whether to go on inside."""
        tag = node.tag
        if tag == "-text":
            self._write(node.text_content or "")
            return False
        if tag.startswith("-") or tag in _NOISE or "hidden" in node.attrs.keys():  # noqa: SIM118  # it is no dict
            return False
        if tag == "br":
            self._breaks = min(2, self._breaks + 1)
            return False
        if tag in {"td", "th"}:
            if self.pieces and not self._breaks:
                self._mark = " | "
        else:
            self._break(tag)
            if tag == "li":
                self._mark = "- "
        self._kept += tag == "pre"
        if node.child is None:  # it will not be left
            self._leave(tag)
            return False
        return True

    def _leave(self, tag: str) -> None:
        self._break(tag)
        self._kept -= tag == "pre"

    def _break(self, tag: str) -> None:
        if tag in _APART:
            self._breaks = 2
        elif tag in _LINES:
            self._breaks = max(1, self._breaks)

    def _write(self, text: str) -> None:
        shown = text.strip("\n") if self._kept else " ".join(text.split())
        if not shown.strip():
            self._space = self._space or bool(text)
            return
        if self.pieces and self._breaks:
            self.pieces.append("\n" * self._breaks)
        elif self.pieces and not self._mark.strip() and (self._space or (text[0].isspace() and not self._kept)):
            self.pieces.append(" ")
        self.pieces.append(self._mark + shown)
        self._breaks, self._mark = 0, ""
        self._space = text[-1].isspace() and not self._kept


def _require_shallow(call: Call, content: bytes) -> None:
    """Nesting costs the parser the square of its depth: a megabyte can take minutes."""
    depth = styling = work = copies = 0
    for number, found in enumerate(_TAG.finditer(content)):
        name = found[2].lower()
        if name in _UNCOUNTED:
            copies += styling
        elif found[1]:
            depth = max(0, depth - 1)
            if name in _STYLING:
                styling = max(0, styling - 1)
        else:
            depth += 1
            work += depth
            copies += styling
            if name in _STYLING:
                styling += 1
        if work > _MOST_WORK or copies > _MOST_COPIES:
            raise DocumentTooLarge("The HTML is nested too deep.", hint="Save the page again, or as plain text.")
        if number % _LOOK_EVERY == 0 and call.cancelled:
            return
