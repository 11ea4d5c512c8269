"""Whose turn it is, by the session's own thresholds. Pure: probabilities in, decisions out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CHUNK = 512
"""Samples behind one probability (32 ms at 16 kHz)."""
RATE = 16_000
START_MS = 96
"""Speech shorter than this is a click."""
PAUSE_MS = 160
"""Silence after which what was said so far is transcribed ahead of the decision."""
MOST_MS = 60_000
"""An utterance is cut here; recognisers take no more than 120 s."""
_STAY_BELOW = 0.15
"""How far below its threshold speech goes on being speech, as Silero recommends."""


class Decision(StrEnum):
    STARTED = "started"
    PAUSED = "paused"
    """Silence for a moment: perhaps the end."""
    RESUMED = "resumed"
    """It was not."""
    ENDED = "ended"


@dataclass(slots=True)
class Turns:
    """One utterance after the other; positions are samples since the session's first."""

    threshold: float
    silence_ms: float
    """After which an utterance is over; may be changed during a pause."""
    position: int = 0
    """Everything before it was judged."""
    started_at: int | None = None
    """First sample of the speech under way; None: nobody speaks."""
    speech_end: int = 0
    """Sample behind the last speech."""
    paused: bool = False
    _run: int = 0
    _in_speech: bool = False

    def feed(self, probability: float) -> Decision | None:
        self.position += CHUNK
        threshold = max(0.01, self.threshold - _STAY_BELOW) if self._in_speech else self.threshold
        self._in_speech = speech = probability >= threshold
        if self.started_at is None:
            return self._before(speech)
        if speech:
            self.speech_end = self.position
            if self.paused:
                self.paused = False
                return Decision.RESUMED
        silence = _ms(self.position - self.speech_end)
        if silence >= self.silence_ms or _ms(self.position - self.started_at) >= MOST_MS:
            return Decision.ENDED
        if silence >= min(PAUSE_MS, self.silence_ms) and not self.paused:
            self.paused = True
            return Decision.PAUSED
        return None

    def afresh(self) -> None:
        """The next utterance; also in the middle of one, which the client has committed or cleared itself."""
        self.started_at, self.paused, self._run, self._in_speech = None, False, 0, False

    def _before(self, speech: bool) -> Decision | None:
        if not speech:
            self._run = 0
            return None
        self._run += CHUNK
        if _ms(self._run) < START_MS:
            return None
        self.started_at = self.position - self._run
        self.speech_end = self.position
        self._run = 0
        return Decision.STARTED


def _ms(samples: int) -> float:
    return samples * 1000 / RATE
