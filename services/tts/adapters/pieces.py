"""Prepares text for a voice: what cannot be said is left out, and sentences too long for one go are cut."""

from __future__ import annotations

import re

LONGEST = 200
"""Characters spoken in one go, about 13 s: a voice that makes each sentence at once stays responsive."""
EARLY = 90
"""Characters of a first sentence, about 6 s: the text of a longer one is looked at too long before it can be heard."""

_UNSAYABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\ufeff\ud800-\udfff]")
_STRETCH = re.compile(r".+?(?:[.!?]+[\"')\]]*\s+|[。！？]+\s*|\n\s*\n\s*|\Z)", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE_END = re.compile(r"[,;:–—)]\s+")


def sayable(text: str) -> str:
    """`text` without control characters and lone surrogates; empty when it has no letter and no digit."""
    clean = _UNSAYABLE.sub(" ", text).strip()
    return clean if any(map(str.isalnum, clean)) else ""


def sentences(text: str) -> list[str]:
    """`text` cut after every sentence, and within those that are too long; each piece has something to say."""
    return [piece for part in _SENTENCE.split(text) for piece in short_enough(part) if sayable(piece)]


def short_enough(text: str, longest: int = LONGEST) -> list[str]:
    """`text` cut inside every stretch without a full stop that is longer than `longest` characters.

    The cut goes after the last clause that fits, otherwise between words, otherwise anywhere. Sentence ends are left
    to the voice, which knows its abbreviations.
    """
    pieces = [""]
    for stretch in _STRETCH.findall(text):
        rest = stretch
        while len(rest.rstrip()) > longest:
            cut = _cut(rest, longest)
            pieces[-1] += rest[:cut]
            pieces.append("")
            rest = rest[cut:]
        pieces[-1] += rest
    return [piece.strip() for piece in pieces if piece.strip()]


def begun_early(stretches: list[str]) -> list[str]:
    """The same, with the first sentence cut behind an early clause if it is long."""
    if not stretches:
        return []
    first = stretches[0]
    sentence = _STRETCH.match(first)
    if sentence is None or sentence.end() <= EARLY:
        return stretches
    ends = [match.end() for match in _CLAUSE_END.finditer(first, 0, EARLY) if match.end() > EARLY // 5]
    return [first[: ends[-1]].strip(), first[ends[-1] :].strip(), *stretches[1:]] if ends else stretches


def _cut(text: str, longest: int) -> int:
    ends = [match.end() for match in _CLAUSE_END.finditer(text, 0, longest) if match.end() > longest // 4]
    if ends:
        return ends[-1]
    space = text.rfind(" ", longest // 4, longest)
    return space + 1 if space > 0 else longest
