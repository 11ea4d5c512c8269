"""The port of turn models: how likely it is, by the sound of a pause, that the speaker has finished."""

from __future__ import annotations

from typing import Any, Protocol

from solo.isolation.call import Call


class TurnModel(Protocol):
    """Constructor options: `model` (a file; None = the adapter's own), `threads`."""

    def load(self) -> dict[str, Any]:
        """Load and warm up. Raises `ModelMissing` or `ModelCorrupt`."""
        ...

    def judge(self, call: Call, pcm: bytes) -> float:
        """0 to 1. `pcm`: s16le mono 16 kHz, the utterance so far, whose end matters. Odd length: `BadEngineInput`."""
        ...
