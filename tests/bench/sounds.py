"""What a room sounds like all day, for measuring: people where there are recordings, the packaged voice, noise."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.contract.speech import RATE, say

SPOKEN = (
    "The weather in Madrid is sunny today, and the train leaves at nine.",
    "She bought a kilo of potatoes and forgot the onions.",
    "Could you pass me the salt, please? Thank you, that is kind of you.",
    "After the match they walked home along the river and talked about old times.",
    "The committee will meet again on Thursday to look at the figures.",
    "He laughed, took his hat, and said that he would call tomorrow.",
)
Sound = NDArray[np.float32]


def folder() -> Path | None:
    """Of recordings: TEST_SPEECH_DIR."""
    name = os.environ.get("TEST_SPEECH_DIR", "")
    return Path(name) if name else None


def recorded(pattern: str) -> list[tuple[str, Sound]]:
    found = folder()
    return [] if found is None else [(path.name, read(path)) for path in sorted(found.glob(pattern))]


def read(path: Path) -> Sound:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)


def pcm(sound: Sound) -> bytes:
    return bytes(np.clip(sound, -32_768, 32_767).astype("<i2").tobytes())


def day(seconds: float, seed: int = 7) -> Iterator[bytes]:
    """Stretches of speech, noise, both and silence, at all levels and in no order, without a wake word in any."""
    rng = np.random.default_rng(seed)
    speech = [sound for _, sound in recorded("command-*.wav")]
    speech += [np.frombuffer(say(text), "<i2").astype(np.float32) for text in SPOKEN]
    noises = [sound for _, sound in recorded("noise-*.wav")]
    noises.append(rng.normal(0, 300, RATE * 20).astype(np.float32))
    left = seconds * RATE
    while left > 0:
        kind = rng.choice(["speech", "noisy", "noise", "silence"], p=[0.4, 0.2, 0.25, 0.15])
        noise = noises[rng.integers(len(noises))]
        if kind == "silence":
            stretch: Sound = rng.normal(0, 3, RATE * 5).astype(np.float32)
        elif kind == "noise":
            start = rng.integers(max(1, len(noise) - RATE * 8))
            stretch = noise[start : start + RATE * 8] * _gain(rng)
        else:
            stretch = speech[rng.integers(len(speech))] * _gain(rng)
            if kind == "noisy":
                start = rng.integers(max(1, len(noise) - len(stretch)))
                under = noise[start : start + len(stretch)]
                stretch = stretch[: len(under)] + under * _gain(rng)
        left -= len(stretch)
        yield pcm(stretch)


def _gain(rng: np.random.Generator) -> float:
    return float(10 ** (rng.uniform(-14, 6) / 20))
