"""The last seconds of a source's sound, by number of sample."""

from __future__ import annotations

import time

from services.messages.audio import BYTES_PER_SAMPLE, SAMPLE_RATE


class Ring:
    """Samples are counted from the source's first."""

    def __init__(self) -> None:
        self.start = 0
        """First sample that is still here."""
        self.heard = 0
        """Samples so far."""
        self._kept = bytearray()
        self._arrived = time.monotonic()

    def add(self, pcm: bytes, *, keep_s: float) -> None:
        self._kept += pcm
        self.heard += len(pcm) // BYTES_PER_SAMPLE
        self._arrived = time.monotonic()
        # Cut in lots of a second: cutting a little every time would move the whole ring every time.
        surplus = len(self._kept) - int(keep_s * SAMPLE_RATE) * BYTES_PER_SAMPLE
        if surplus > SAMPLE_RATE * BYTES_PER_SAMPLE:
            del self._kept[:surplus]
            self.start += surplus // BYTES_PER_SAMPLE

    def cut(self, begin: int, end: int) -> bytes:
        """s16le; what is no longer, or not yet, here is left out."""
        begin = max(begin, self.start)
        end = min(max(end, begin), self.heard)
        return bytes(self._kept[(begin - self.start) * BYTES_PER_SAMPLE : (end - self.start) * BYTES_PER_SAMPLE])

    def arrival(self, sample: int) -> float:
        """Monotonic seconds at which it arrived, reckoned from the last one."""
        return self._arrived - (self.heard - sample) / SAMPLE_RATE
