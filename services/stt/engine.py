"""The port of speech-to-text engines."""

from __future__ import annotations

from typing import Any, NotRequired, Protocol, TypedDict

from solo.isolation.call import Call


class Word(TypedDict):
    word: str
    """Without spaces around it."""
    start: float
    end: float
    """Seconds from the beginning of the sound."""


class Segment(TypedDict):
    start: float
    end: float
    """Seconds from the beginning of the sound, at most its length."""
    text: str
    """Trimmed, never empty."""
    tokens: list[int]
    """The model's own numbers for the text."""
    temperature: float
    """That it was decoded with."""
    avg_logprob: float
    """Natural logarithm, per token."""
    compression_ratio: float
    """Of the text; above 2.4 it probably repeats itself."""
    no_speech_prob: float
    """0 to 1."""
    words: list[Word]
    """Empty unless asked for."""


class Transcription(TypedDict):
    text: str
    """What was said, trimmed; empty when there was no speech."""
    language: str
    """ISO 639-1."""
    window_s: float
    """Seconds of sound the encoder looked at (less than 30 with short windows)."""
    attempts: int
    """Decoding passes used: more than 1 when the repetition guard asked for a longer window."""
    doubtful: NotRequired[bool]
    """The engine's own guards do not believe it: another engine, where there is one, should listen too."""
    segments: NotRequired[list[Segment]]
    """In order; only where details were asked for."""


class STTEngine(Protocol):
    """Constructor options: `model` (a directory; None = the packaged one), `threads`, `language`."""

    def load(self) -> dict[str, Any]:
        """Load and warm up with sound of realistic length. Raises `ModelMissing` or `ModelCorrupt`.

        Says also `multilingual`: whether it knows more than English and so can translate into it; and, where it does
        not do all of them, `offers`: which of `prompt`, `temperature` and `details` change its answer. What it does
        not offer it may ignore; `details` it must refuse with `BadEngineInput`.
        """
        ...

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
        """`pcm`: s16le mono 16 kHz, 0 to 120 s. No speech gives empty text. Odd length: `BadEngineInput`.

        `language`: ISO 639-1, instead of the option's; `prompt`: words to expect; `translate`: into English. What the
        model does not speak, and a translation that it cannot make, are `BadEngineInput`. `details`: "segments" or
        "words" to be told when it was said.
        """
        ...
