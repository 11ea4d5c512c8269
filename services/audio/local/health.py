"""Is the microphone well, and when is it to be opened again? Pure: figures and times in, verdicts out."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Health = Literal["starting", "healthy", "stalled", "silent"]
SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    stalled_after_s: float = 1.0
    """Without a frame, which come every 40 ms: with a look every 0.25 s a stall is seen well within 2 s."""
    first_within_s: float = 3.0
    """A device that has just been opened may take this long for its first frame."""
    silent_after_s: float = 3.0
    """Of the very same sample: no room is that quiet, but a switched-off microphone is."""
    healthy_after_s: float = 1.0
    """Sound for so long is what a silence may be measured against."""
    late_s: float = 0.5
    """A look that comes this much too late says nothing: the whole daemon was held up, not the microphone."""


class EarCheck:
    """One opening of one microphone."""

    def __init__(self, now: float, policy: HealthPolicy) -> None:
        self._policy = policy
        self._opened = now
        self._last_frame: float | None = None
        self._looked = now
        self._heard_s = 0.0
        self._still_s = 0.0
        self._sound_s = 0.0
        """Of sound that was not still, at least."""
        self._grace_until = 0.0

    def frame(self, now: float, seconds: float) -> None:
        self._last_frame = now
        self._heard_s += seconds

    def still(self, still_s: float) -> None:
        """For how long every sample has been the same, by now."""
        self._still_s = still_s
        self._sound_s = max(self._sound_s, self._heard_s - still_s)

    def age_s(self, now: float) -> float:
        """Since the last frame."""
        return now - (self._opened if self._last_frame is None else self._last_frame)

    def look(self, now: float, *, every_s: float) -> Health:
        late = now - self._looked > every_s + self._policy.late_s
        self._looked = now
        if late:
            # What has piled up meanwhile is read right after this.
            self._grace_until = now + self._policy.stalled_after_s
        age = self.age_s(now)
        if self._last_frame is None:
            return "stalled" if age > self._policy.first_within_s else "starting"
        if age > self._policy.stalled_after_s and now >= self._grace_until:
            return "stalled"
        if self._still_s >= self._policy.silent_after_s:
            return "silent"
        return "healthy"

    @property
    def was_healthy(self) -> bool:
        """It has delivered sound: only then is a silence a fault that opening it again may mend."""
        return self._sound_s >= self._policy.healthy_after_s


@dataclass(slots=True)
class Reopening:
    """Pauses between two openings: doubled, jittered, forgotten after a while of health."""

    first_s: float = 0.25
    most_s: float = 60.0
    healthy_s: float = 10.0
    """An opening that was well for this long starts over."""
    remembered: int = 4
    """Failures that still count after an opening that delivered sound, however short: a loose plug waits for 4 s."""
    random: Callable[[], float] = field(default=random.random)
    failures: int = 0

    def pause_s(self) -> float:
        """Before the next opening; called once for each."""
        pause = min(self.most_s, self.first_s * 2.0 ** min(self.failures, 16))
        self.failures += 1
        return pause * (0.8 + 0.4 * self.random())

    def lasted(self, healthy_s: float, *, delivered: bool) -> None:
        """The opening that has just ended had been well for so long; `delivered`: sound came from it at all."""
        if healthy_s >= self.healthy_s:
            self.failures = 0
        elif delivered:
            self.failures = min(self.failures, self.remembered)


class Drift:
    """The microphone's clock against this machine's: samples received over monotonic time, in millionths."""

    WINDOW_S = 10.0
    WINDOWS = 31
    """Five minutes: enough to see a few ppm behind the jitter that is left."""

    def __init__(self) -> None:
        self.lose()

    def lose(self) -> None:
        """Samples were lost: what was counted until now is worth nothing."""
        self._least: deque[tuple[float, float]] = deque(maxlen=self.WINDOWS)
        """Of each window the arrival that was least late: (time, time less time of sound)."""
        self._window: tuple[float, float] | None = None
        self._until = 0.0

    def take(self, now: float, received: int) -> None:
        """`received` samples have come by now. They may be held up, but are never early: the least late of many
        tells the truth."""
        here = (now, now - received / SAMPLE_RATE)
        if self._window is None or now >= self._until:
            if self._window is not None:
                self._least.append(self._window)
            self._window, self._until = here, now + self.WINDOW_S
        elif here[1] < self._window[1]:
            self._window = here

    @property
    def ppm(self) -> float | None:
        """Positive: it runs fast. None before there are four windows."""
        if len(self._least) < 4:
            return None
        (first_at, first), (last_at, last) = self._least[0], self._least[-1]
        return round((first - last) / (last_at - first_at) * 1e6, 1)
