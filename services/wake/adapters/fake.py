"""A wake-word engine that hears markers instead of words, for tests and for machines without a model.

The marker of word n (its place in `WORDS`) is a square wave of any one level, whose half-wave lasts 8 + 2n samples.
A hundred and fifty half-waves on end are one recognition, and a longer marker is still one. Speech never repeats
samples so exactly; resampling a marker, or mixing another sound in, destroys it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.wake.adapters.hearing import Hearing, Sensitivity, choose
from services.wake.engine import Detection
from solo.isolation.call import Call

WORDS = ("okay_nabu", "hey_jarvis", "hey_mycroft", "alexa")
"""Those of the default engine, so that one can stand in for the other."""
HALF_WAVES = 150
"""0.08 to 0.13 s of a marker."""
MARKER_HALF_WAVES = 200
STEP_SAMPLES = 160
_LEVEL = 8000
_unpack = struct.Struct(f"<{STEP_SAMPLES}h").unpack


def half_wave(word: str) -> int:
    """Samples between two changes of sign in this word's marker."""
    return 8 + 2 * WORDS.index(word)


def marker(word: str) -> bytes:
    """The sound, s16le mono 16 kHz and 0.1 to 0.18 s long, that is `word` to this engine."""
    half = half_wave(word)
    wave = struct.pack("<h", _LEVEL) * half + struct.pack("<h", -_LEVEL) * half
    return wave * (MARKER_HALF_WAVES // 2)


class FakeWake:
    """Options: `words` (None = all of `WORDS`); `sensitivity`, `sensitivities` and `threads` change nothing."""

    def __init__(
        self,
        words: Sequence[str] | None = None,
        sensitivity: float = 0.5,
        threads: int = 1,
        sensitivities: Mapping[str, float] | None = None,
    ) -> None:
        self._words = words
        self._sensitivity = sensitivity
        self._sensitivities = sensitivities

    def load(self) -> dict[str, Any]:
        """Raises `ModelMissing` for a word without a marker."""
        Sensitivity(self._sensitivity, self._sensitivities)
        chosen = choose(self._words, {word: half_wave(word) for word in WORDS})
        by_half = {half: word for word, half in chosen.items()}
        self._hearing = Hearing(lambda: _Ear(by_half), STEP_SAMPLES)
        return {"engine": "fake", "model": "square-wave markers", "words": list(chosen)}

    def feed(self, call: Call, session: str, pcm: bytes) -> list[Detection]:
        return self._hearing.feed(call, session, pcm)

    def close(self, call: Call, session: str) -> None:
        self._hearing.close(session)


class _Ear:
    def __init__(self, words: dict[int, str]) -> None:
        self._words = words
        self._value = 0
        self._run = 0
        self._half = 0
        self._count = 0

    def hear(self, block: bytes) -> Iterator[str]:
        for value in _unpack(block):
            if value == self._value:
                self._run += 1
                continue
            # A run has ended: it is one more half-wave when it is as long as the one before and the sign turns.
            if value == -self._value and self._run == self._half:
                self._count += 1
                if self._count == HALF_WAVES and self._half in self._words:
                    yield self._words[self._half]
            else:
                self._half, self._count = self._run, 1
            self._value, self._run = value, 1
