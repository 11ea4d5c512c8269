"""Text to speech without a voice: a tone as long as the words would take, for tests and demonstrations."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.tts.adapters.pieces import sayable, sentences
from solo.isolation.call import Call
from solo.isolation.engine import EngineError

_TONE_HZ = 440.0
_AMPLITUDE = 8_000
_SECONDS_A_CHARACTER = 0.06
"""About what an unhurried voice takes."""


class FakeTTS:
    """Hums one piece per sentence, 60 ms a character.

    Options as in the port; `voice` is only its name, `threads` are accepted and unused. `sample_rate`: Hz.
    """

    def __init__(
        self, voice: str | None = None, threads: int = 1, speed: float = 1.0, sample_rate: int = 16_000
    ) -> None:
        self._model = Path(voice).stem if voice else "tone"
        self._speed = speed
        self._rate = sample_rate

    def load(self) -> dict[str, Any]:
        if self._speed <= 0:
            raise EngineError(f"The speed is {self._speed}.", hint="Set it above 0; 1 is normal.")
        return {"engine": "fake-tts", "model": self._model, "sample_rate": self._rate}

    def synthesize(self, call: Call, text: str, speed: float = 1.0) -> Iterator[bytes]:
        """As the port says."""
        for sentence in sentences(sayable(text)):
            if call.cancelled:
                return
            yield self._tone(len(sentence) * _SECONDS_A_CHARACTER / (self._speed * speed))

    def _tone(self, seconds: float) -> bytes:
        step = 2 * math.pi * _TONE_HZ / self._rate
        return array("h", (int(_AMPLITUDE * math.sin(step * n)) for n in range(round(seconds * self._rate)))).tobytes()
