"""Cuts a text into sentences to be spoken one after the other, so that others can speak in between. Pure."""

from __future__ import annotations

import re

MOST_CHARS = 300
_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+|\n+")
_ABBREVIATION = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|No|vs|etc|e\.g|i\.e|approx|[A-Z])\.\s+$")


def sentences(text: str) -> list[str]:
    """In order; a longer one than 300 characters is cut between words. What has nothing to say is left out."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        if not _ABBREVIATION.search(text, start, end.end()):
            found += _short_enough(text[start : end.end()])
            start = end.end()
    found += _short_enough(text[start:])
    return [sentence for sentence in found if any(map(str.isalnum, sentence))]


def _short_enough(sentence: str) -> list[str]:
    pieces = []
    rest = sentence.strip()
    while len(rest) > MOST_CHARS:
        cut = max(rest.rfind(mark, MOST_CHARS // 4, MOST_CHARS) + 1 for mark in (", ", "; ", ": "))
        cut = cut or rest.rfind(" ", MOST_CHARS // 4, MOST_CHARS) + 1 or MOST_CHARS
        pieces.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*pieces, rest]
