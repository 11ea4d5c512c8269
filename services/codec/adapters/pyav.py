"""Sound files with PyAV, FFmpeg's libraries: reads foreign ones within limits, makes our own piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.codec.adapters import decoding
from services.codec.adapters.converting import Converting
from services.codec.adapters.encoding import Making
from services.codec.adapters.resampling import Resampling
from services.codec.engine import Piece, SessionLost
from solo.isolation.call import Call
from solo.isolation.sessions import Sessions, require_whole

_MOST_SESSIONS = 64
"""Files being made at once, and sounds being converted; whoever leaves in the middle is forgotten when so many newer
ones have come."""


class PyAV:
    """The port's engine. `most_s`: the longest sound taken, in seconds."""

    def __init__(self, most_s: float = 1800.0) -> None:
        self._most_s = most_s
        self._wanted = ("", 0)
        """Format and rate of the file to begin next."""
        self._sessions = Sessions(lambda: Making(*self._wanted), end=Making.drop, limit=_MOST_SESSIONS)
        self._form = (0, 0, 0)
        """Rate, width and channels of the sound to begin next."""
        self._converted = Sessions(lambda: Converting(*self._form), limit=_MOST_SESSIONS)
        self._way = ("pcm", 0, "pcm", 0)
        """Form and rate from which and to which the next sound is resampled."""
        self._resampled = Sessions(lambda: Resampling(*self._way), limit=_MOST_SESSIONS)

    def load(self) -> dict[str, Any]:
        import av
        import numpy  # noqa: F401  # now, so that no file waits for it
        import soxr  # noqa: F401

        av.logging.set_level(av.logging.PANIC)
        return {"engine": "pyav", "model": f"FFmpeg {av.ffmpeg_version_info}"}

    def decode(self, call: Call, content: bytes, piece_s: float) -> Iterator[Piece]:
        """As the port says."""
        return decoding.pieces(call, content, piece_s, self._most_s)

    def encode(
        self, call: Call, session: str, format: str, sample_rate: int, pcm: bytes, first: bool, last: bool
    ) -> bytes:
        """As the port says."""
        require_whole(pcm, 2)
        if first:
            self._sessions.close(session)
            self._wanted = (format, sample_rate)
            self._sessions.use(session)
        if self._sessions.known(session) is None:
            raise SessionLost(hint="Ask for the whole sound again.")
        making = self._sessions.use(session)
        made = making.feed(pcm)
        if last:
            made += making.finish()
            self._sessions.close(session)
        return made

    def convert(self, call: Call, session: str, rate: int, width: int, channels: int, pcm: bytes, last: bool) -> bytes:
        """As the port says."""
        self._form = (rate, width, channels)
        made = self._converted.use(session).feed(pcm, last)
        if last:
            self._converted.close(session)
        return made

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
        """As the port says."""
        require_whole(pcm, 2 if form == "pcm" else 1)
        if first:
            self._resampled.close(session)
            self._way = (form, rate, to_form, to_rate)
            self._resampled.use(session)
        if self._resampled.known(session) is None:
            raise SessionLost(hint="Begin the sound again.")
        resampling = self._resampled.use(session)
        made = resampling.feed(pcm)
        if last:
            made += resampling.finish()
            self._resampled.close(session)
        return made
