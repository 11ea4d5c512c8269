"""One sound file in the making: samples in, bytes of the file out as soon as the encoder has them."""

from __future__ import annotations

from typing import Any, NamedTuple

from services.codec.engine import PCM_RATE
from solo.isolation.engine import BadEngineInput


class Form(NamedTuple):
    """How FFmpeg makes a format: nothing in it is corrected once it has been sent."""

    muxer: str
    encoder: str
    rate: int
    """Hz."""
    bit_rate: int
    """A second, enough for one voice; 0: without loss."""
    options: dict[str, str]
    """Of the muxer."""


FORMS = {
    "mp3": Form("mp3", "libmp3lame", 24_000, 64_000, {"write_xing": "0", "id3v2_version": "0"}),
    "opus": Form("ogg", "libopus", 24_000, 32_000, {"page_duration": "200000"}),
    "aac": Form("adts", "aac", 24_000, 64_000, {}),
    "flac": Form("flac", "flac", 24_000, 0, {}),
}
"""By their names at the door. 24 kHz suits speech, and all four know it."""


class Making:
    """`format`: one of `FORMS`, or pcm; `sample_rate`: Hz of what is fed."""

    def __init__(self, format: str, sample_rate: int) -> None:
        import av

        form = FORMS.get(format)
        if form is None and format != "pcm":
            raise BadEngineInput(f"There is no sound format {format!r}.", hint=f"Choose pcm or {', '.join(FORMS)}.")
        self._rate = sample_rate
        self._fed = 0
        self._sink = _Sink()
        self._container: Any = None
        self._resampler: Any = None
        if form is None:
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=PCM_RATE)
            return
        options = {"flush_packets": "1", "fflags": "+bitexact", **form.options}
        self._container = av.open(self._sink, "w", format=form.muxer, options=options)
        self._stream = self._container.add_stream(form.encoder, rate=form.rate, layout="mono")
        if form.bit_rate:
            self._stream.bit_rate = form.bit_rate

    def feed(self, pcm: bytes) -> bytes:
        """s16le mono."""
        if not pcm:
            return self._sink.taken()
        import av
        import numpy as np

        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None], format="s16", layout="mono")
        frame.sample_rate = self._rate
        frame.pts = self._fed
        self._fed += frame.samples
        self._push(frame)
        return self._sink.taken()

    def finish(self) -> bytes:
        """What was still held back."""
        self._push(None)
        self.drop()
        return self._sink.taken()

    def drop(self) -> None:
        """Give back what is held outside Python."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def _push(self, frame: Any) -> None:
        """None: the end."""
        if self._container is not None:
            self._container.mux(self._stream.encode(frame))
            return
        for ready in self._resampler.resample(frame):
            self._sink.write(ready.to_ndarray()[0].astype("<i2").tobytes())


class _Sink:
    """A file that can only be written on, so that FFmpeg does not try to go back and mend its headers."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def taken(self) -> bytes:
        """What has come since the last time."""
        taken, self._parts = b"".join(self._parts), []
        return taken
