"""Markup out of a text: what is left are sentences, one after the other. For every language."""

from __future__ import annotations

import html
import re
import unicodedata

_FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--.{0,2000}?-->|</?[a-zA-Z][^<>\n]{0,200}>", re.DOTALL)
_PICTURE = re.compile(r"!\[([^\[\]\n]{0,300})\]\([^()\n]{0,600}\)")
_LINK = re.compile(r"\[([^\[\]\n]{1,300})\]\([^()\n]{0,600}\)|<((?:https?://|mailto:)[^<>\s]{1,600})>")
_NOTE = re.compile(r"\[\^?\d{1,3}\](?!\()")
"""A footnote or a citation."""
_RULE = re.compile(r"^[ \t]*(?:[-*_=][ \t]*){3,}$", re.MULTILINE)
_TABLE_LINE = re.compile(r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$", re.MULTILINE)
_HEAD = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+•‣◦][ \t]+(?:\[[ xX]\][ \t]+)?)+", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*(\d{1,3})[.)][ \t]+", re.MULTILINE)
_STRONG = re.compile(r"(\*{1,3}|_{1,3}|~~|`{1,2})(?=\S)(.{1,300}?)(?<=\S)\1(?!\w)")
_STRAY = re.compile(r"`+|(?<!\d)\*+|\*+(?!\d)|(?<!\w)_+|_+(?!\w)|~~+|(?<!\w)#+(?=[^\W\d])")
_SAID_END = re.compile(r"[.!?:;,…。！？]['\"”’)\]]*$")


def plain(text: str) -> str:
    """Without Markdown, tags, pictures and control characters; lines and rows of tables end like sentences."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n"))
    text = _FENCE.sub("\n", text)
    text = html.unescape(_COMMENT.sub(" ", text))
    text = _PICTURE.sub(r"\1", text)
    text = _LINK.sub(lambda found: found[1] or found[2], text)
    text = _NOTE.sub("", text)
    text = _TABLE_LINE.sub("", _RULE.sub("", text))
    text = _HEAD.sub("", text)
    text = _NUMBERED.sub(r"\1, ", text)
    for _ in range(2):  # strong within strong
        text = _STRONG.sub(r"\2", text)
    text = "".join(map(_heard, _STRAY.sub("", text))).replace("_", " ")
    lines = [" ".join(_row(line).split()) for line in text.split("\n")]
    said = [line for line in lines if any(map(str.isalnum, line))]
    ended = [line if _SAID_END.search(line) else f"{line}." for line in said[:-1]]
    return " ".join([*ended, *said[-1:]])


def _row(line: str) -> str:
    """A row of a table as an enumeration."""
    if line.count("|") < 2 and not line.lstrip().startswith("|"):
        return line.replace("|", " ")
    return ", ".join(cell for cell in (part.strip() for part in line.split("|")) if cell)


def _heard(char: str) -> str:
    """Emoji, other pictures and what formats has no sound; marks of a script belong to its letters."""
    kind = unicodedata.category(char)
    if kind in {"Cc", "Zs", "Zl", "Zp"}:
        return "\n" if char == "\n" else " "
    if kind in {"Cf", "Co", "Cn", "Cs", "Sk"} or char in "\ufe0e\ufe0f\u20e3":
        return ""
    return " " if kind == "So" and char not in "°©®™№℃℉" else char
