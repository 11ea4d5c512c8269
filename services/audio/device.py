"""The port of sound devices: a microphone that yields and a loudspeaker that takes, in a child process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from solo.errors import SoloError
from solo.isolation.call import Call


class NoSoundDevice(SoloError):
    """There is no usable sound device."""

    code = "audio.no_device"


class AudioDevice(Protocol):
    """Adapters set `concurrency` to 3: capture runs all the time, `play` and `silence` beside it."""

    concurrency: int

    def load(self) -> dict[str, Any]:
        """Open it. Raises NoSoundDevice or BadSoundFile, with a hint."""
        ...

    def capture(self, call: Call) -> Iterator[bytes]:
        """The microphone, for ever: s16le mono 16 kHz in pieces of 40 ms, in real time.

        Shorter ones cost more, day and night, than they would gain in a turn.
        """
        ...

    def play(self, call: Call, pcm: bytes, sample_rate: int) -> None:
        """Queue sound (s16le mono) for the loudspeaker; returns when at most 0.5 s is left in front of it."""
        ...

    def finish(self, call: Call) -> None:
        """Returns when everything queued has been played."""
        ...

    def silence(self, call: Call) -> None:
        """Stop at once: forget what is queued."""
        ...
