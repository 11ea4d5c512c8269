"""The port of speech-to-text engines."""

from __future__ import annotations

from typing import Any, Protocol, TypedDict

from solo.isolation.call import Call


class Transcription(TypedDict):
    text: str
    """What was said, trimmed; empty when there was no speech."""
    language: str
    """ISO 639-1."""
    window_s: float
    """Seconds of sound the encoder looked at (less than 30 with short windows)."""
    attempts: int
    """Decoding passes used: more than 1 when the repetition guard asked for a longer window."""


class STTEngine(Protocol):
    """Constructor options: `model` (a directory; None = the packaged one), `threads`, `language`."""

    def load(self) -> dict[str, Any]:
        """Load and warm up with sound of realistic length. Raises `ModelMissing` or `ModelCorrupt`."""
        ...

    def transcribe(self, call: Call, pcm: bytes) -> Transcription:
        """`pcm`: s16le mono 16 kHz, 0 to 120 s. No speech gives empty text. Odd length: `BadEngineInput`."""
        ...
