"""Between those who want something said and the process that says it."""

from __future__ import annotations

from pydantic import Field

from services.messages.speech import SoundChunk
from solo.bus import Request, StreamRequest


class SpeakUsual(StreamRequest[SoundChunk]):
    """Say this with the usual voice; for everybody else there is `Synthesize`, which knows the other voices as well."""

    text: str
    """A clause or a sentence."""
    speed: float = Field(default=1.0, ge=0.25, le=4)
    """Times the pace of the settings."""


class KeepReady(Request[int]):
    """Have these said by the usual voice in advance and keep their sound, so that they come at once whatever happens.

    Answered with how many of them are ready; the rest had no room.
    """

    idempotent = True

    texts: tuple[str, ...] = Field(max_length=64)
    """Fixed sentences, exactly as they will be asked for."""
