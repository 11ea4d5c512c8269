"""Takes out of the microphone what the loudspeaker plays: WebRTC's echo canceller (AEC3), by way of LiveKit.

The library is a client of video conferences; only its audio processing module is used, which talks to nobody.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

RATE = 16_000
_SAMPLE = 2
_FRAME_BYTES = RATE // 100 * _SAMPLE
"""The module takes 10 ms at a time."""
_WAITING = 200
"""Frames of the reference that may wait for the microphone: 2 s; it has stalled by then."""
_LINGERS = 100
"""Frames behind the last sound of the loudspeaker for which the canceller goes on: 1 s, a long echo."""


class EchoCanceller:
    """`reference` from the loudspeaker's thread, `clean` from the microphone's.

    While nothing has been played for a second and nothing else is asked of it, sound passes untouched: day and night
    that is most of it.
    """

    def __init__(self, *, cancel: bool = True, noise_suppression: bool = False, auto_gain: bool = False) -> None:
        """Raises ImportError where the library does not run."""
        from livekit.rtc.apm import AudioProcessingModule
        from livekit.rtc.audio_frame import AudioFrame

        self._frame = AudioFrame
        self._module = AudioProcessingModule(
            echo_cancellation=cancel,
            noise_suppression=noise_suppression,
            high_pass_filter=True,
            auto_gain_control=auto_gain,
        )
        self._cancel = cancel
        self._always = noise_suppression or auto_gain
        self._lock = threading.Lock()
        self._reference: deque[bytes] = deque(maxlen=_WAITING)
        self._resampler: Any = None
        self._rate = 0
        self._rest = b""
        self._delay_ms = 0
        self._active = 0
        self.passed = 0
        """Frames that passed untouched."""

    def reference(self, pcm: bytes, sample_rate: int, delay_s: float) -> None:
        """The next sound on its way to the loudspeaker, silence too, and how long until it is heard."""
        if not self._cancel:
            return
        with self._lock:
            self._delay_ms = round(delay_s * 1000)
            self._reference.append(pcm if sample_rate == RATE else self._resampled(pcm, sample_rate))

    def clean(self, pcm: bytes) -> bytes:
        """A whole number of 10 ms frames of the microphone, without the echo."""
        with self._lock:
            played = self._rest + b"".join(self._reference)
            self._reference.clear()
            whole = len(played) - len(played) % _FRAME_BYTES
            self._rest = played[whole:]
            delay_ms = self._delay_ms
        frames = [played[at : at + _FRAME_BYTES] for at in range(0, whole, _FRAME_BYTES)]
        if any(played):
            self._active = _LINGERS + len(pcm) // _FRAME_BYTES
        if self._active <= 0 and not self._always:
            self.passed += len(pcm) // _FRAME_BYTES
            return pcm
        cleaned = bytearray()
        for at in range(0, len(pcm), _FRAME_BYTES):
            # The two sides take turns, as they did in time; what is left of the reference follows the last frame.
            if frames:
                self._hear(frames.pop(0))
            cleaned += self._speak(pcm[at : at + _FRAME_BYTES], delay_ms)
            self._active -= 1
        for frame in frames:
            self._hear(frame)
        return bytes(cleaned)

    def _hear(self, frame: bytes) -> None:
        self._module.process_reverse_stream(self._frame(frame, RATE, 1, len(frame) // _SAMPLE))

    def _speak(self, frame: bytes, delay_ms: int) -> bytes:
        if self._cancel:
            self._module.set_stream_delay_ms(delay_ms)
        sound = self._frame(frame, RATE, 1, len(frame) // _SAMPLE)
        self._module.process_stream(sound)
        return bytes(sound.data.cast("B"))

    def _resampled(self, pcm: bytes, sample_rate: int) -> bytes:
        import numpy as np
        import soxr

        if sample_rate != self._rate:
            self._rate = sample_rate
            self._resampler = soxr.ResampleStream(sample_rate, RATE, 1, dtype="int16", quality="LQ")
        chunk = np.frombuffer(pcm, "<i2")
        return bytes(self._resampler.resample_chunk(chunk).astype("<i2").tobytes())
