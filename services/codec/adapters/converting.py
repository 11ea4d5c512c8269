"""Foreign samples as Solo has them, piece by piece: any width and rate, channels mixed into one."""

from __future__ import annotations

from typing import Any

from services.codec.engine import RATE

_FULL = {1: 128.0, 2: 32768.0, 3: 8388608.0, 4: 2147483648.0}
"""Of full scale, by width."""


class Converting:
    """One sound on its way; `rate` in Hz, `width` in bytes. Half a frame waits for its other half."""

    def __init__(self, rate: int, width: int, channels: int) -> None:
        import soxr

        self._width = width
        self._channels = channels
        self._rest = b""
        self._stream: Any = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="MQ")

    def feed(self, pcm: bytes, last: bool) -> bytes:
        """What is ready of it, s16le mono 16 kHz."""
        import numpy as np

        data = self._rest + pcm
        whole = len(data) - len(data) % (self._width * self._channels)
        self._rest = data[whole:]
        mono = self._samples(data[:whole]).reshape(-1, self._channels).mean(axis=1, dtype=np.float32)
        if self._stream is not None:
            mono = self._stream.resample_chunk(mono, last=last)
        return bytes((np.clip(mono, -1.0, 32767 / 32768) * 32768).round().astype("<i2").tobytes())

    def _samples(self, data: bytes) -> Any:
        """From -1 to 1."""
        import numpy as np

        if self._width == 1:
            whole = np.frombuffer(data, "u1").astype("<i4") - 128  # samples of one byte have no sign
        elif self._width == 3:
            padded = np.zeros((len(data) // 3, 4), "u1")
            padded[:, 1:] = np.frombuffer(data, "u1").reshape(-1, 3)
            whole = padded.view("<i4").reshape(-1) >> 8
        else:
            whole = np.frombuffer(data, "<i2" if self._width == 2 else "<i4")
        return (whole / _FULL[self._width]).astype(np.float32)
