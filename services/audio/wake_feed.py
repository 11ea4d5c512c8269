"""The sound of a source that waits for its wake word, in pieces for whoever listens for one."""

from __future__ import annotations

from services.messages.audio import BYTES_PER_SAMPLE, SAMPLE_RATE, SoundHeard
from solo.supervision import Context

_SAMPLES = SAMPLE_RATE * 160 // 1000
"""The wake word is looked for in pieces of 160 ms: a fraction of the cost of 20 ms, day and night; what is said
meanwhile is in the ring, so nothing is lost by it."""


class WakeFeed:
    def __init__(self, ctx: Context, source: str, start: int) -> None:
        """`start`: sample of the source at which it begins."""
        self._ctx = ctx
        self._source = source
        self._start = start
        self._waiting = bytearray()

    def add(self, pcm: bytes) -> None:
        self._waiting += pcm
        if len(self._waiting) >= _SAMPLES * BYTES_PER_SAMPLE:
            self.flush()

    def flush(self) -> None:
        """Tell of what waits, however little it is."""
        if self._waiting:
            self._ctx.publish(SoundHeard(source=self._source, pcm=bytes(self._waiting), start=self._start))
            self._start += len(self._waiting) // BYTES_PER_SAMPLE
            self._waiting.clear()
