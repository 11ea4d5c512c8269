"""The port of text-to-speech engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from solo.isolation.call import Call


class TTSEngine(Protocol):
    """Constructor options: `voice` (path of the model; None = the packaged one), `threads`, `speed`."""

    def load(self) -> dict[str, Any]:
        """Load and warm up. Returns also `sample_rate` (Hz). Raises `ModelMissing` or `ModelCorrupt`."""
        ...

    def synthesize(self, call: Call, text: str, speed: float = 1.0) -> Iterator[bytes]:
        """Speak one clause or sentence: pieces of s16le mono sound at the engine's sample rate.

        The first piece comes as soon as it can; joined, all of them sound as if made at once, and the same text sounds
        the same each time, though it may be cut elsewhere. The leading near-silence of the first piece is cut, so that
        its first samples can be heard. Text with nothing to say (empty, punctuation) yields nothing.
        `speed`: 0.25 to 4 times the option's.
        """
        ...
