"""How sound is described in Wyoming, and what of that is believed."""

from __future__ import annotations

from dataclasses import dataclass

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event

from services.formats.wyoming.frames import BadEvent

RATES = (4_000, 192_000)
"""Hz, the lowest and the highest that is taken."""
WIDTHS = (1, 2, 3, 4)
MOST_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class Form:
    """Of raw samples, little-endian; signed, but for those of one byte."""

    rate: int
    """Hz."""
    width: int
    """Bytes of a sample."""
    channels: int

    @classmethod
    def of(cls, event: Event, known: Form | None = None) -> Form:
        """As an `audio-start` or `audio-chunk` says; what a chunk leaves out is as `known`. Raises `BadEvent`."""
        form = cls(
            _number(event, "rate", None if known is None else known.rate),
            _number(event, "width", None if known is None else known.width),
            _number(event, "channels", None if known is None else known.channels),
        )
        if not RATES[0] <= form.rate <= RATES[1]:
            raise BadEvent(f"sound of {form.rate} Hz is not taken, only from {RATES[0]} to {RATES[1]} Hz")
        if form.width not in WIDTHS:
            raise BadEvent(f"samples of {form.width} bytes are not taken, only of 1 to 4")
        if not 1 <= form.channels <= MOST_CHANNELS:
            raise BadEvent(f"sound of {form.channels} channels is not taken, only of 1 to {MOST_CHANNELS}")
        return form

    @property
    def frame(self) -> int:
        """Bytes of one sample of every channel."""
        return self.width * self.channels

    @property
    def bytes_a_second(self) -> int:
        return self.rate * self.frame


SOLO = Form(16_000, 2, 1)
"""As everything is heard inside Solo."""


def starting(rate: int) -> Event:
    """The beginning of s16le mono sound."""
    return AudioStart(rate=rate, width=2, channels=1, timestamp=0).event()


def chunk(pcm: bytes, rate: int, at_ms: int) -> Event:
    """A piece of it."""
    return AudioChunk(rate=rate, width=2, channels=1, audio=pcm, timestamp=at_ms).event()


def stopping(at_ms: int) -> Event:
    """The end of it."""
    return AudioStop(timestamp=at_ms).event()


def _number(event: Event, name: str, known: int | None) -> int:
    value = event.data.get(name, known)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadEvent(f"the {name} of the sound is no number")
    return value
