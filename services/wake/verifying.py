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
LEAST_CONSONANTS = 3
"""Of words that may be taken for the wake word by their consonants alone: names that are no words of a language are
written in many ways, "Ok, now, boo." for "okay nabu", and two consonants are soon the same."""
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
    runs = {"".join(heard[at : at + count]) for at in range(len(heard)) for count in range(1, longest + 1)}
    return Verdict.WORDS if any(_are_alike(run, wanted) for run in runs) else Verdict.OTHER


_SPELLINGS = (("ph", "f"), ("qu", "k"), ("x", "ks"))
_VOICELESS = str.maketrans("bcdgqvz", "pktkkfs")


def _are_alike(heard: str, wanted: str) -> bool:
    if SequenceMatcher(None, heard, wanted).ratio() >= ALIKE:
        return True
    consonants = _consonants(wanted)
    # A sound that is cut off behind the word is soon heard as one more consonant.
    return len(consonants) >= LEAST_CONSONANTS and _consonants(heard).startswith(consonants)


def _consonants(letters: str) -> str:
    """As they sound, voiced like voiceless ones and doubled like single ones: `heymickruffed` -> `mkrft`."""
    for written, spoken in _SPELLINGS:
        letters = letters.replace(written, spoken)
    single = re.sub(r"(.)\1+", r"\1", letters.translate(_VOICELESS))
    return re.sub(r"[aeiouhwy]", "", single)


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
