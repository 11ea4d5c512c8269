"""The port of engines that read and make sound files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypedDict

from solo.errors import SoloError
from solo.isolation.call import Call

RATE = 16_000
"""Hz of what is decoded."""
PCM_RATE = 24_000
"""Hz of the format pcm, as OpenAI's clients expect it."""


class SoundUnreadable(SoloError):
    """The file holds no sound that can be read."""

    code = "codec.unreadable"


class SoundTooLong(SoloError):
    """The sound is longer than Solo takes."""

    code = "codec.too_long"


class SessionLost(SoloError):
    """The encoder has lost the sound file that it was making."""

    code = "codec.session_lost"
    retryable = True


class Piece(TypedDict):
    start: float
    """Seconds from the beginning of the whole sound."""
    pcm: bytes
    """s16le mono 16 kHz."""


class CodecEngine(Protocol):
    """Constructor option: `most_s`, the longest sound taken, in seconds."""

    def load(self) -> dict[str, Any]: ...

    def decode(self, call: Call, content: bytes, piece_s: float) -> Iterator[Piece]:
        """The sound of a foreign file, as it is read, in pieces of at most `piece_s` seconds cut where it is quiet.

        Raises `SoundUnreadable`, also after some pieces, or `SoundTooLong`.
        """
        ...

    def encode(
        self, call: Call, session: str, format: str, sample_rate: int, pcm: bytes, first: bool, last: bool
    ) -> bytes:
        """The next bytes of the file named `session`, which `first` begins and `last` ends.

        `pcm`: s16le mono at `sample_rate` Hz. Raises `SessionLost` for a session that was not begun, has ended, or made
        room for newer ones; `BadEngineInput` for half a sample.
        """
        ...

    def convert(self, call: Call, session: str, rate: int, width: int, channels: int, pcm: bytes, last: bool) -> bytes:
        """The next of the sound named `session` as s16le mono 16 kHz; an unknown session begins.

        `pcm`: raw samples as the rest says, cut anywhere; half a sample at the end of the last piece is dropped.
        """
        ...

    def resample(
        self,
        call: Call,
        session: str,
        pcm: bytes,
        form: str,
        rate: int,
        to_form: str,
        to_rate: int,
        first: bool,
        last: bool,
    ) -> bytes:
        """The next samples of the sound named `session`, in the form `to_form` at `to_rate` Hz.

        `first` begins and `last` ends it, as with `encode`, and the same is raised.
        """
        ...
