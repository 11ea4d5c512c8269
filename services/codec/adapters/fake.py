"""Sound files without FFmpeg: reads plain WAV, and makes files of samples with their format's name before them."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from typing import Any

from services.codec.engine import PCM_RATE, RATE, Piece, SessionLost, SoundTooLong, SoundUnreadable
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput, EngineError
from solo.isolation.sessions import require_whole

FORMATS = ("pcm", "mp3", "opus", "aac", "flac")


class FakeCodec:
    """Takes 16-bit mono WAV at 16 kHz, cut blindly. `most_s`: as in the port."""

    def __init__(self, most_s: float = 1800.0) -> None:
        self._most_s = most_s
        self._sessions: set[str] = set()
        self._resampled: set[str] = set()
        self._converted: dict[str, tuple[bytes, int]] = {}
        """Half a frame, and how many whole ones there were before it."""

    def load(self) -> dict[str, Any]:
        return {"engine": "fake-codec", "model": "wave"}

    def decode(self, call: Call, content: bytes, piece_s: float) -> Iterator[Piece]:
        """As the port says."""
        try:
            with wave.open(io.BytesIO(content)) as file:
                form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
                pcm = file.readframes(file.getnframes())
        except (wave.Error, EOFError) as error:
            raise SoundUnreadable("The file is no WAV file.", hint="Send 16-bit mono WAV.") from error
        if form != (1, 2, RATE):
            raise SoundUnreadable("The file is not 16-bit mono at 16 kHz.", hint="Send it so.")
        if not pcm:
            raise SoundUnreadable("The file holds no sound.", hint="Send some.")
        if len(pcm) / 2 / RATE > self._most_s:
            raise SoundTooLong(f"The sound is longer than {self._most_s / 60:g} minutes.", hint="Cut it.")
        size = 2 * int(piece_s * RATE)
        for start in range(0, len(pcm), size):
            if call.cancelled:
                raise EngineError("The decoding was broken off before its end.")
            yield {"start": start / 2 / RATE, "pcm": pcm[start : start + size]}

    def encode(
        self, call: Call, session: str, format: str, sample_rate: int, pcm: bytes, first: bool, last: bool
    ) -> bytes:
        """As the port says; pcm is brought to its rate by repeating or leaving out samples."""
        require_whole(pcm, 2)
        if format not in FORMATS:
            raise BadEngineInput(f"There is no sound format {format!r}.", hint=f"Choose one of {', '.join(FORMATS)}.")
        if first:
            self._sessions.add(session)
        if session not in self._sessions:
            raise SessionLost(hint="Ask for the whole sound again.")
        if last:
            self._sessions.discard(session)
        if format != "pcm":
            return (b"fake " + format.encode() + b"\n" if first else b"") + pcm
        return _at_rate(pcm, sample_rate, PCM_RATE)

    def convert(self, call: Call, session: str, rate: int, width: int, channels: int, pcm: bytes, last: bool) -> bytes:
        """As the port says, by the first channel's highest bytes and by repeating or leaving out samples."""
        rest, before = self._converted.pop(session, (b"", 0))
        data = rest + pcm
        frame = width * channels
        behind = before + len(data) // frame
        if not last:
            self._converted[session] = (data[(behind - before) * frame :], behind)
        wanted = range(before * RATE // rate, behind * RATE // rate)
        places = (max(0, at * rate // RATE - before) * frame for at in wanted)
        return b"".join(_high(data[place : place + width]) for place in places)

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
        """As the port says; a G.711 byte is taken for the upper half of a sample."""
        require_whole(pcm, 2 if form == "pcm" else 1)
        if not {form, to_form} <= {"pcm", "pcmu", "pcma"}:
            raise BadEngineInput(f"There is no such form of samples: {form!r}, {to_form!r}.", hint="Choose pcm.")
        if first:
            self._resampled.add(session)
        if session not in self._resampled:
            raise SessionLost(hint="Begin the sound again.")
        if last:
            self._resampled.discard(session)
        if form != "pcm":
            pcm = b"".join(bytes((0, byte)) for byte in pcm)
        made = _at_rate(pcm, rate, to_rate)
        return made if to_form == "pcm" else made[1::2]


def _high(sample: bytes) -> bytes:
    """A sample of 1 to 4 bytes as one of two."""
    return bytes((0, sample[0] ^ 0x80)) if len(sample) == 1 else sample[-2:]


def _at_rate(pcm: bytes, rate: int, to_rate: int) -> bytes:
    """By repeating or leaving out samples."""
    places = (at * rate // to_rate for at in range(len(pcm) // 2 * to_rate // rate))
    return b"".join(pcm[2 * place : 2 * place + 2] for place in places)
