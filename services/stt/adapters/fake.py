"""Speech to text without a model: for tests, demonstrations and a first start on a machine too small for Whisper."""

from __future__ import annotations

from array import array
from math import sqrt
from typing import Any

from services.stt.engine import Transcription
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput

_RATE = 16_000
_FRAME = 480
"""30 ms."""
_STRIDE = 4
"""Every fourth sample is enough to measure loudness, and keeps a minute of sound below 50 ms."""
_LOUD = 100.0
"""RMS of a frame, in units of s16le, below which nobody spoke (-50 dB of full scale)."""
_LIVELY = 3.0
"""Speech rises at least this far above its own quiet moments; steady noise does not."""


class FakeSTT:
    """Says `text`, or how long it listened, whenever it hears sound that comes and goes as speech does.

    Options as in the port; `model` and `threads` are accepted and unused. `text` None = an answer from the length.
    """

    def __init__(
        self, model: str | None = None, threads: int = 1, language: str | None = None, text: str | None = None
    ) -> None:
        self._language = language or "en"
        self._text = text

    def load(self) -> dict[str, Any]:
        return {"engine": "fake-stt", "model": "fake", "language": self._language}

    def transcribe(self, call: Call, pcm: bytes) -> Transcription:
        """As the port says."""
        if len(pcm) % 2:
            raise BadEngineInput("The sound has an odd number of bytes.", hint="Send 16-bit samples.")
        seconds = len(pcm) / 2 / _RATE
        text = ""
        if not call.cancelled and _speech_like(pcm):
            text = f"I heard {seconds:.1f} seconds of speech." if self._text is None else self._text.strip()
        return {"text": text, "language": self._language, "window_s": round(seconds, 2), "attempts": 1}


def _speech_like(pcm: bytes) -> bool:
    samples = array("h", pcm)
    levels = sorted(
        sqrt(sum(value * value for value in frame) / len(frame))
        for start in range(0, len(samples) - _FRAME + 1, _FRAME)
        if (frame := samples[start : start + _FRAME : _STRIDE])
    )
    if not levels:
        return False
    loud, quiet = levels[int(0.9 * (len(levels) - 1))], levels[len(levels) // 10]
    return loud > _LOUD and loud > _LIVELY * quiet
