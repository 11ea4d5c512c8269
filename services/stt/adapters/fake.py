"""Speech to text without a model: for tests, demonstrations and a first start on a machine too small for Whisper."""

from __future__ import annotations

from array import array
from math import sqrt
from typing import Any

from services.stt.engine import Segment, Transcription
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
        return {"engine": "fake-stt", "model": "fake", "language": self._language, "multilingual": True}

    def transcribe(
        self,
        call: Call,
        pcm: bytes,
        language: str | None = None,
        prompt: str = "",
        translate: bool = False,
        temperature: float = 0.0,
        details: str = "",
    ) -> Transcription:
        """As the port says, with one segment. It speaks every language of two or three letters."""
        if language is not None and not (language.isalpha() and 2 <= len(language) <= 3):
            raise BadEngineInput(f"{language!r} is no language.", hint="Give it as ISO 639-1, such as `de`.")
        if len(pcm) % 2:
            raise BadEngineInput("The sound has an odd number of bytes.", hint="Send 16-bit samples.")
        seconds = len(pcm) / 2 / _RATE
        text = ""
        if not call.cancelled and _speech_like(pcm):
            text = f"I heard {seconds:.1f} seconds of speech." if self._text is None else self._text.strip()
        found: Transcription = {
            "text": text,
            "language": language or self._language,
            "window_s": round(seconds, 2),
            "attempts": 1,
        }
        if details:
            found["segments"] = [_segment(text, seconds, temperature, details)] if text else []
        return found


def _segment(text: str, seconds: float, temperature: float, details: str) -> Segment:
    """All of it, and every word for as long as every other."""
    spoken = text.split() if details == "words" else []
    each = seconds / max(1, len(spoken))
    return {
        "start": 0.0,
        "end": seconds,
        "text": text,
        "tokens": [],
        "temperature": temperature,
        "avg_logprob": -0.1,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
        "words": [{"word": word, "start": at * each, "end": (at + 1) * each} for at, word in enumerate(spoken)],
    }


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
