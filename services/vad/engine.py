"""The port of voice-activity detectors: how likely each 32 ms of sound is speech."""

from __future__ import annotations

from typing import Any, Protocol

from solo.isolation.call import Call

CHUNK_SAMPLES = 512
"""Samples behind one probability: 32 ms at 16 kHz, the window Silero's model was trained on."""


class VADEngine(Protocol):
    def load(self) -> dict[str, Any]: ...

    def feed(self, call: Call, session: str, pcm: bytes) -> list[float]:
        """Speech probability (0..1) of each whole `CHUNK_SAMPLES` that this session's sound completes.

        `pcm`: s16le mono 16 kHz, any even length; a remainder waits for the next call. Sessions as in
        `services.wake.engine`: own state each, opened by the first feed, at most 16.
        """
        ...

    def reset(self, call: Call, session: str) -> None:
        """Start a session's state afresh, as for a new utterance (also drops a waiting remainder)."""
        ...

    def close(self, call: Call, session: str) -> None: ...
