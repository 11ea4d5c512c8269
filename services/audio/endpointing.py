"""Has the speaker finished? Pure: probabilities in, decisions out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CHUNK_SAMPLES = 512
"""Samples behind one probability (32 ms at 16 kHz)."""
SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class EndpointingPolicy:
    """All times in milliseconds of sound, so that decisions do not depend on how fast it arrives."""

    start_at: float = 0.5
    """Probability from which a chunk is speech."""
    stay_at: float = 0.35
    """Probability from which a chunk goes on being speech (hysteresis, as Silero recommends)."""
    start_ms: int = 96
    """Speech shorter than this is a click."""
    pause_ms: int = 64
    """Silence after which the utterance may be over: work on it can begin."""
    end_ms: int = 480
    """Silence after which it is over, as long as nobody knows better."""
    most_ms: int = 30_000
    """An utterance is cut here."""


class Decision(StrEnum):
    STARTED = "started"
    """Speech began."""
    PAUSED = "paused"
    """Silence for `pause_ms`: perhaps the end."""
    RESUMED = "resumed"
    """It was not the end."""
    ENDED = "ended"
    """Silence for `end_ms`, or too long."""


class Endpointer:
    """Fed chunk by chunk; positions are samples counted from the first chunk fed."""

    def __init__(self, policy: EndpointingPolicy, *, ignore_before: int = 0) -> None:
        """`ignore_before`: sample up to which speech is somebody finishing the wake word and starts nothing."""
        self._policy = policy
        self._ignore_before = ignore_before
        self._position = 0
        self._run = 0
        self._in_speech = False
        self._paused = False
        self.end_ms: float = policy.end_ms
        """Silence after which it is over; who knows more of a pause than its length may change it."""
        self.resumed_after = 0
        """Samples of silence before the speech that went on last."""
        self.started_at: int | None = None
        """First sample of the speech; None before it."""
        self.speech_end = 0
        """Sample behind the last speech."""

    @property
    def position(self) -> int:
        return self._position

    @property
    def paused(self) -> bool:
        """Nothing was said since the last pause."""
        return self._paused

    @property
    def silence_ms(self) -> float:
        """Since the last speech."""
        return _ms(self._position - self.speech_end)

    @property
    def over(self) -> bool:
        """Silent, or speaking, for long enough."""
        if self.started_at is None:
            return False
        return self.silence_ms >= self.end_ms or _ms(self._position - self.started_at) >= self._policy.most_ms

    def feed(self, probability: float) -> Decision | None:
        policy = self._policy
        begin = self._position
        self._position += CHUNK_SAMPLES
        threshold = policy.stay_at if self._in_speech else policy.start_at
        speech = probability >= threshold
        if self.started_at is None:
            return self._before_speech(speech, begin)
        self._in_speech = speech
        if speech:
            silent, self.speech_end = begin - self.speech_end, self._position
            if self._paused:
                self._paused = False
                self.resumed_after = silent
                return Decision.RESUMED
        if self.over:
            return Decision.ENDED
        if self.silence_ms >= policy.pause_ms and not self._paused:
            self._paused = True
            return Decision.PAUSED
        return None

    def _before_speech(self, speech: bool, begin: int) -> Decision | None:
        self._in_speech = speech
        if not speech:
            self._run = 0
            return None
        self._run += CHUNK_SAMPLES
        # The wake word's tail may run into the question without a gap, so it delays the start only.
        if begin < self._ignore_before or _ms(self._run) < self._policy.start_ms:
            return None
        self.started_at = self._position - self._run
        self.speech_end = self._position
        return Decision.STARTED


def _ms(samples: int) -> float:
    return samples * 1000 / SAMPLE_RATE
