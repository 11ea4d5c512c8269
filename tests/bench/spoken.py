"""Spoken questions whose last speech sample is known, for whoever is measured from it."""

from __future__ import annotations

import json
import wave
from array import array
from pathlib import Path
from typing import NamedTuple

from services.messages.audio import SAMPLE_RATE
from tests.contract.speech import say

TEXTS = (
    "What is the capital of France?",
    "Tell me one fact about the moon.",
    "How long should I boil an egg?",
    "Give me a short tip for sleeping well.",
    "Can you tell me what the weather is usually like in Lisbon in October?",
    "What could I cook tonight with rice, two eggs and some spinach?",
)
_WINDOW = SAMPLE_RATE // 200
_LEAD_S = 0.3
_DECAY_S = 0.06
"""The voice's own, behind the last speech sample."""


class Spoken(NamedTuple):
    text: str
    pcm: bytes
    """s16le mono 16 kHz, silence in front."""
    end: int
    """Sample behind the last speech: the end of the last 5 ms within 40 dB of the loudest."""


def spoken(texts: tuple[str, ...] = TEXTS) -> list[Spoken]:
    return [_cut(text) for text in texts]


def _cut(text: str) -> Spoken:
    samples = array("h", say(text))
    power = [
        sum(sample * sample for sample in samples[at : at + _WINDOW]) / _WINDOW
        for at in range(0, len(samples) - _WINDOW + 1, _WINDOW)
    ]
    loud = [index for index, value in enumerate(power) if value > max(power) * 1e-4]
    begin, end = max(0, loud[0] * _WINDOW - SAMPLE_RATE // 50), (loud[-1] + 1) * _WINDOW
    lead = array("h", bytes(int(_LEAD_S * SAMPLE_RATE) * 2))
    kept = lead + samples[begin : end + int(_DECAY_S * SAMPLE_RATE)]
    return Spoken(text, kept.tobytes(), len(lead) + end - begin)


def write(folder: Path, questions: list[Spoken]) -> Path:
    """As WAV files with a list beside them, for a process that knows nothing of this package."""
    listing = []
    for number, question in enumerate(questions):
        file = folder / f"{number}.wav"
        with wave.open(str(file), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(SAMPLE_RATE)
            sound.writeframes(question.pcm)
        listing.append({"file": str(file), "text": question.text, "end": question.end})
    index = folder / "questions.json"
    index.write_text(json.dumps(listing), encoding="utf-8")
    return index
