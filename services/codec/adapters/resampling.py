"""One sound on its way from one rate and form to another, piece by piece, without a seam between the pieces."""

from __future__ import annotations

from typing import Any, Literal

from solo.isolation.engine import BadEngineInput

G711 = {"pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}
"""FFmpeg's names."""


class Resampling:
    """`form`, `to_form`: pcm, pcmu or pcma; `rate`, `to_rate`: Hz."""

    def __init__(self, form: str, rate: int, to_form: str, to_rate: int) -> None:
        import av

        self._rate = rate
        self._fed = 0
        self._from = _codec(form, rate, "r")
        self._to = _codec(to_form, to_rate, "w")
        self._resampler: Any = None
        if rate != to_rate:
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=to_rate)

    def feed(self, samples: bytes) -> bytes:
        """Those that are ready."""
        if not samples:
            return b""
        import av
        import numpy as np

        if self._from is None:
            data = np.frombuffer(samples, "<i2")
        else:
            data = np.concatenate([frame.to_ndarray()[0] for frame in self._from.decode(av.Packet(samples))])
        return self._out(self._resampled(data))

    def finish(self) -> bytes:
        """Those that were held back."""
        return self._out(self._resampled(None))

    def _resampled(self, data: Any) -> list[Any]:
        """`data`: None at the end."""
        import av

        if self._resampler is None:
            return [] if data is None else [data]
        frame = None
        if data is not None:
            frame = av.AudioFrame.from_ndarray(data[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = self._rate, self._fed
            self._fed += frame.samples
        return [ready.to_ndarray()[0] for ready in self._resampler.resample(frame)]

    def _out(self, pieces: list[Any]) -> bytes:
        if self._to is None:
            return b"".join(piece.astype("<i2").tobytes() for piece in pieces)
        import av

        made = b""
        for piece in pieces:
            frame = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
            frame.sample_rate = self._to.sample_rate
            made += b"".join(bytes(packet) for packet in self._to.encode(frame))
        return made


def _codec(form: str, rate: int, mode: Literal["r", "w"]) -> Any:
    """None for plain samples."""
    import av

    if form == "pcm":
        return None
    if form not in G711:
        raise BadEngineInput(f"There is no form of samples {form!r}.", hint=f"Choose pcm or {', '.join(G711)}.")
    codec: Any = av.CodecContext.create(G711[form], mode)
    codec.sample_rate, codec.layout, codec.format = rate, "mono", "s16"
    return codec
