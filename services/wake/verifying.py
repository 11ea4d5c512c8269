"""Was the wake word really said? Pure: what was understood in, a verdict out."""

from __future__ import annotations

import re
from collections import deque
from difflib import SequenceMatcher
from enum import StrEnum

from services.messages.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

ALIKE = 0.62
"""Similarity of letters from which words heard may have been the wake word: "OK, Naboo" is 0.75 of "okay nabu", but
"like a" is 0.6 of "alexa"."""
BEFORE_S = 1.6
"""Sound looked at from before the recognition: the longest wake words take one second."""
_KEPT_S = 2.5


class Verdict(StrEnum):
    WORDS = "words"
    """It was understood."""
    UNCLEAR = "unclear"
    """Nothing was understood that speaks against it."""
    OTHER = "other"
    """Something else was said."""


def phrase(word: str) -> str:
    """`okay_nabu` -> `Okay Nabu.`: told to the recogniser as likely, since noise makes it guess, and other words are
    understood all the same."""
    return word.replace("_", " ").title() + "."


def judge(text: str, word: str) -> Verdict:
    """`word` is an id, such as `okay_nabu`. Words next to each other may have been heard as one, and one as two."""
    heard = re.findall(r"[^\W\d_]+", text.lower())
    if not heard:
        return Verdict.UNCLEAR
    wanted = re.sub(r"[\W\d_]", "", word.lower())
    longest = len(word.split("_")) + 1
    alike = max(
        SequenceMatcher(None, "".join(heard[start : start + count]), wanted).ratio()
        for start in range(len(heard))
        for count in range(1, longest + 1)
    )
    return Verdict.WORDS if alike >= ALIKE else Verdict.OTHER


class PreRoll:
    """The last seconds of one source's sound; a gap in it begins it anew."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._start = 0
        self._end = 0

    def add(self, start: int, pcm: bytes) -> None:
        """`start`: index of its first sample."""
        if start != self._end:
            self._pieces.clear()
            self._start = start
        self._pieces.append(pcm)
        self._end = start + len(pcm) // BYTES_PER_SAMPLE
        while self._end - self._start - len(self._pieces[0]) // BYTES_PER_SAMPLE >= _KEPT_S * SAMPLE_RATE:
            self._start += len(self._pieces.popleft()) // BYTES_PER_SAMPLE

    def before(self, at: int) -> bytes:
        """From a little before the word recognised at sample `at` to all that has come."""
        skip = max(0, at - int(BEFORE_S * SAMPLE_RATE) - self._start)
        return b"".join(self._pieces)[skip * BYTES_PER_SAMPLE :]
