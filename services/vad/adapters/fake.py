"""A voice-activity detector that goes by loudness alone, for tests and for machines without a model."""

from __future__ import annotations

import math
import struct
from typing import Any

from services.vad.engine import CHUNK_SAMPLES
from solo.isolation.call import Call
from solo.isolation.sessions import Blocks, Sessions, require_whole

SAMPLE_BYTES = 2
FULL_SCALE = 32_768
SILENT_DBFS = -55.0
"""Level (root mean square of a chunk) up to which the probability is 0."""
SPEAKING_DBFS = -30.0
"""Level from which it is 1; straight in between, so 0.5 lies at -42.5 dBFS."""
_unpack = struct.Struct(f"<{CHUNK_SAMPLES}h").unpack


def probability(chunk: bytes) -> float:
    """Of one chunk of `CHUNK_SAMPLES` s16le samples."""
    power = sum(sample * sample for sample in _unpack(chunk)) / CHUNK_SAMPLES / FULL_SCALE**2
    if power == 0:
        return 0.0
    return min(1.0, max(0.0, (10 * math.log10(power) - SILENT_DBFS) / (SPEAKING_DBFS - SILENT_DBFS)))


class FakeVAD:
    """Options: `threads`, taken and without effect. A session holds its remainder and nothing else."""

    def __init__(self, threads: int = 1) -> None:
        self._sessions = Sessions(lambda: Blocks(CHUNK_SAMPLES * SAMPLE_BYTES))

    def load(self) -> dict[str, Any]:
        return {"engine": "fake", "model": "loudness"}

    def feed(self, call: Call, session: str, pcm: bytes) -> list[float]:
        require_whole(pcm, SAMPLE_BYTES)
        blocks = self._sessions.use(session).cut(pcm)
        return [] if call.cancelled else [probability(block) for block in blocks]

    def reset(self, call: Call, session: str) -> None:
        blocks = self._sessions.known(session)
        if blocks is not None:
            blocks.clear()

    def close(self, call: Call, session: str) -> None:
        self._sessions.close(session)
