"""What a source's loudspeaker is doing: its clock, pauses, volume."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from solo.bus import Event, Request


class Playback(BaseModel):
    """The playback clock of one source."""

    model_config = ConfigDict(frozen=True)

    source: str
    """Name of the source."""
    state: Literal["silent", "playing", "paused"]
    """What its loudspeaker does; `playing` implies that `played_s` grows."""
    turn_id: str | None = None
    """Whose sound it is; None: nobody's yet."""
    played_s: float = 0.0
    """Seconds of that turn's sound that have been heard."""
    queued_s: float = 0.0
    """Seconds that were handed over and have not been heard yet."""
    volume: float = 1.0
    """0 (silent) to 1."""


class DescribePlayback(Request[tuple[Playback, ...]]):
    """What is every source playing?"""

    idempotent = True


class PausePlayback(Request[Playback]):
    """Hold the sound at once, at the sample where it is; the answer goes on being made."""

    source: str
    """Whose loudspeaker."""


class ResumePlayback(Request[Playback]):
    """Go on from the sample at which it was held."""

    source: str
    """Whose loudspeaker."""


class PlaybackPaused(Event):
    """A source holds its sound; sources with a buffer of their own stop it at once."""

    source: str
    """Whose loudspeaker."""


class PlaybackResumed(Event):
    """A source goes on from the sample at which it was held."""

    source: str
    """Whose loudspeaker."""


class SoundPlayed(Event):
    """A source that knows what was heard says so; the clock of others is reckoned from what they were given."""

    source: str
    """Whose loudspeaker."""
    played_turn: str | None
    """Id of the turn whose sound it is."""
    played_s: float
    """Seconds of it heard so far."""


class SetVolume(Request[float]):
    """Louder, softer, or as loud as that; answered with the new volume."""

    source: str
    """Whose loudspeaker."""
    volume: float | None = Field(default=None, ge=0, le=1)
    """0 (silent) to 1; None: see `change`."""
    change: float = Field(default=0.0, ge=-1, le=1)
    """Added to the present volume."""


class VolumeChanged(Event):
    """A source's answers are to be played as loud as this from now on."""

    source: str
    """Whose loudspeaker."""
    volume: float
    """0 (silent) to 1; amplitudes are multiplied by it."""
