"""Sound to text, text to sound, and whether sound is speech."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from solo.bus import Request, StreamRequest


class Transcript(BaseModel):
    """What was said, as text."""

    model_config = ConfigDict(frozen=True)

    text: str
    """Trimmed; empty when nothing was said."""
    language: str
    """ISO 639-1."""
    engine: str
    """Engine and model, for people."""


class Transcribe(Request[Transcript]):
    """What was said?"""

    idempotent = True

    pcm: bytes
    """s16le mono 16 kHz, at most 120 s."""


class SoundChunk(BaseModel):
    """The next piece of spoken text."""

    model_config = ConfigDict(frozen=True)

    pcm: bytes
    """s16le mono."""
    sample_rate: int
    """Hz."""
    engine: str
    """Engine and model, for people."""


class Synthesize(StreamRequest[SoundChunk]):
    """Say this."""

    text: str
    """A clause or a sentence."""


class ScoreSpeech(Request[tuple[float, ...]]):
    """How likely is each 32 ms of this sound speech (0..1)?"""

    idempotent = True

    source: str
    """Whose sound; the detector keeps a state for each."""
    pcm: bytes
    """s16le mono 16 kHz; what does not fill 32 ms waits for the next question."""
    afresh: bool = False
    """Forget what was heard of this source before."""
