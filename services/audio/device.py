"""The port of sound devices: a microphone that yields and a loudspeaker that takes, in a child process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol, TypedDict

from solo.errors import SoloError
from solo.isolation.call import Call


class NoSoundDevice(SoloError):
    """There is no usable sound device."""

    code = "audio.no_device"


class Position(TypedDict):
    """The loudspeaker's clock."""

    state: Literal["silent", "playing", "paused"]
    turn: str
    """As it was given to `play`; empty before the first."""
    played_s: float
    """Seconds of that turn's sound that this device has made heard."""
    queued_s: float
    """Seconds of sound that wait."""


class Figures(TypedDict):
    """What a device has counted since it was opened."""

    received: int
    """Samples that the microphone has delivered, also those that were lost afterwards."""
    lost: int
    """Pieces of sound that nobody took in time."""
    xruns_in: int
    """Times the system itself lost sound of the microphone."""
    xruns_out: int
    """Times the loudspeaker wanted sound that was not there in time."""
    still_s: float
    """Seconds for which every sample has been the same one; 0 where silence is in order, as in a file."""
    output: bool
    """There is a loudspeaker that works."""


class AudioDevice(Protocol):
    """Adapters set `concurrency` to 6: `capture` runs all the time, `play` or `finish` and the short ones beside it.

    Constructor options of all: the wanted `microphone` and `loudspeaker`; another is taken where that one is absent.
    """

    concurrency: int

    def load(self) -> dict[str, Any]:
        """Open it. Raises NoSoundDevice or BadSoundFile, with a hint.

        Returns, besides the usual, `input` and `output` (names, empty: there is none), `fallback_input` and
        `fallback_output` (another than the wanted one), and `echo`: `webrtc` cancelled, `off` heard, `none` impossible.
        """
        ...

    def capture(self, call: Call) -> Iterator[bytes]:
        """The microphone, for ever: s16le mono 16 kHz in pieces of 40 ms, in real time.

        Shorter ones cost more, day and night, than they would gain in a turn.
        """
        ...

    def play(self, call: Call, turn: str, pcm: bytes, sample_rate: int) -> None:
        """Queue sound (s16le mono) for the loudspeaker; returns when at most 0.5 s is left in front of it.

        Raises NoSoundDevice when there is none any more.
        """
        ...

    def finish(self, call: Call) -> bool:
        """Returns when everything queued has been played: True; or after a while, for instance because it is paused."""
        ...

    def silence(self, call: Call) -> Position:
        """Stop at once: forget what is queued, and that it is paused. Answers where that was."""
        ...

    def pause(self, call: Call) -> Position:
        """Hold the sound at once, at the sample where it is, which is the position answered."""
        ...

    def resume(self, call: Call) -> Position:
        """Go on from that sample."""
        ...

    def loudness(self, call: Call, volume: float) -> None:
        """Multiply amplitudes by this (0 to 1) from now on."""
        ...

    def position(self, call: Call) -> Position:
        """What has been heard by now: what the loudspeaker was given, less what is still on its way through it."""
        ...

    def figures(self, call: Call) -> Figures:
        """Is it well?"""
        ...
