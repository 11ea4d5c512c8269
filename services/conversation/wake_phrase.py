"""Takes the wake word off the front of a transcript: it was recorded along, so that no word after it is lost."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

ALIKE = 0.6
"""Similarity of letters from which words heard count as the wake word ("OK, Naboo" is 0.75 of "okay nabu")."""

_FILLERS = {"hey", "ok", "okay", "oh", "so", "um", "uh", "and"}
"""What people say before the wake word."""


def strip_wake_phrase(text: str, wake_word: str) -> str:
    """`"Alexa, what time is it?"`, `"alexa"` -> `"What time is it?"`; text without the wake word stays as it is."""
    wanted = _letters(wake_word)
    words = list(re.finditer(r"\S+", text))
    best, cut = ALIKE, 0
    filler = bool(words) and _letters(words[0].group()) in _FILLERS
    longest = max(2, len(wake_word.replace("_", " ").split()))  # one word may be heard as two
    for start in range(2 if filler else 1):
        for count in range(1, longest + 1):
            if start + count > len(words):
                break
            heard = _letters(text[words[start].start() : words[start + count - 1].end()])
            alike = SequenceMatcher(None, heard, wanted).ratio()
            if alike > best:
                best, cut = alike, words[start + count - 1].end()
    rest = text[cut:].lstrip(" ,.!?;:-–—…")
    return rest[:1].upper() + rest[1:] if cut else text


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower().replace("_", " "))
