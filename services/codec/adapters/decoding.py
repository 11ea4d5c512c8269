"""Foreign sound files through FFmpeg: only the formats and codecs named here, within limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from services.codec.adapters.silences import cut_at
from services.codec.adapters.sniffing import kind_of
from services.codec.engine import RATE, Piece, SoundTooLong, SoundUnreadable
from solo.errors import SoloError
from solo.isolation.call import Call
from solo.isolation.engine import EngineError
from solo.sound import MOST_CHANNELS

if TYPE_CHECKING:
    from numpy import int16
    from numpy.typing import NDArray

    Samples = NDArray[int16]

_CODECS = (
    "pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f64le,pcm_alaw,pcm_mulaw,"
    "adpcm_ms,adpcm_ima_wav,flac,alac,vorbis,opus,libopus,mp3,mp3float,aac"
)
_FORMATS = "wav,flac,ogg,mp3,aac,mov,matroska"
_OPTIONS = {
    "format_whitelist": _FORMATS + ",mp4,m4a,3gp,3g2,mj2,webm",
    "codec_whitelist": _CODECS,
    # A container may name other files to read from; there is no way to any.
    "protocol_whitelist": "none",
}
_SLOWEST_HZ, _FASTEST_HZ = 1_000, 768_000
_CPU_S = 10.0
"""Seconds of computing for each minute of sound begun; ordinary files take some hundredths of that."""
_MOST_REASON = 120
"""Characters of the library's own words."""
_HINT = "Check that it plays elsewhere, and save it as WAV, FLAC or MP3."


def pieces(call: Call, content: bytes, piece_s: float, most_s: float) -> Iterator[Piece]:
    """As the port says. Raises `EngineError` when the asker has left: a part must not pass for the whole."""
    try:
        yield from _pieces(call, content, piece_s, most_s)
    except SoloError:
        raise
    except MemoryError as error:
        raise SoundUnreadable("Reading the file takes more memory than it may.", hint=_HINT) from error
    except Exception as error:  # what FFmpeg and its binding raise over broken input is not for them to say
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = " ".join(reason.split())[:_MOST_REASON].rstrip(".")
        raise SoundUnreadable(f"The file is damaged: {reason}.", hint=_HINT) from error


def _pieces(call: Call, content: bytes, piece_s: float, most_s: float) -> Iterator[Piece]:
    import numpy as np

    most = int(piece_s * RATE)
    waiting: list[Samples] = []
    held = begun = 0
    started = time.process_time()
    for samples in _samples(call, content):
        waiting.append(samples)
        held += len(samples)
        minutes = (begun + held) / RATE / 60
        if minutes * 60 > most_s:
            raise SoundTooLong(f"The sound is longer than {most_s / 60:g} minutes.", hint="Cut it and send the parts.")
        if time.process_time() - started > _CPU_S * (1 + minutes):
            raise SoundUnreadable("Decoding the file takes too long.", hint=_HINT)
        while held > most:
            whole = np.concatenate(waiting)
            end = cut_at(whole, most)
            yield {"start": begun / RATE, "pcm": whole[:end].tobytes()}
            waiting = [whole[end:]]
            begun += end
            held -= end
    if begun + held == 0:
        raise SoundUnreadable("The file holds no sound.", hint=_HINT)
    if held:
        yield {"start": begun / RATE, "pcm": np.concatenate(waiting).tobytes()}


def _samples(call: Call, content: bytes) -> Iterator[Samples]:
    """s16 mono 16 kHz, frame by frame."""
    import av

    kind = kind_of(content)
    with av.open(BytesIO(content), "r", format=kind, options=_OPTIONS, metadata_errors="ignore") as container:
        if not container.streams.audio:
            raise SoundUnreadable("The file holds no sound.", hint=_HINT)
        stream = container.streams.audio[0]
        _check(stream.codec_context)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        damaged = 0
        for packet in container.demux(stream):
            if call.cancelled:
                raise EngineError("The decoding was broken off before its end.")
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                # One bad packet is a click; players go on too. A file of nothing else has no sound in the end.
                damaged += 1
                continue
            for frame in frames:
                for ready in resampler.resample(_finite(frame)):
                    yield ready.to_ndarray()[0]
        for ready in resampler.resample(None):
            yield ready.to_ndarray()[0]


def _check(context: Any) -> None:
    if context.codec.name not in _CODECS.split(","):
        raise SoundUnreadable(f"Solo does not read sound of the kind {context.codec.name}.", hint=_HINT)
    # A stream may leave these to its frames; then they are 0 here and the resampler sees the truth.
    channels, rate = int(context.channels), int(context.sample_rate or 0)
    if not 1 <= channels <= MOST_CHANNELS or not _SLOWEST_HZ <= rate <= _FASTEST_HZ:
        raise SoundUnreadable(
            f"The file says it has {channels} channels at {rate} Hz, which cannot be right.", hint=_HINT
        )


def _finite(frame: Any) -> Any:
    """The frame without what is no number, which a filter would spread over all that follows."""
    if frame.format.name.rstrip("p") not in {"flt", "dbl"}:
        return frame
    import av
    import numpy as np

    samples = frame.to_ndarray()
    if np.isfinite(samples).all() and np.abs(samples).max(initial=0.0) <= _LOUDEST:
        return frame
    clean = np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
    mended = av.AudioFrame.from_ndarray(clean.astype(samples.dtype), format=frame.format.name, layout=frame.layout.name)
    mended.sample_rate = frame.sample_rate
    mended.pts, mended.time_base = frame.pts, frame.time_base
    return mended


_LOUDEST = 1e6
"""Samples of floating point beyond this are no sound."""
