"""Leaves a model alone that keeps failing, and tries it with one question after a while."""

from __future__ import annotations

import random
import time

from services.messages.pool import Breaker

FAILURES = 3
"""In a row, after which it is left alone."""
FIRST_S = 2.0
MOST_S = 120.0
_JITTER = 0.2


class CircuitBreaker:
    """One per model. Closed until it has failed several times in a row, then open, then half open for one question."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self._opened = 0
        self._until = 0.0
        self._probing = False

    @property
    def state(self) -> Breaker:
        if not self._opened:
            return "closed"
        return "open" if time.monotonic() < self._until else "half_open"

    @property
    def wait_s(self) -> float:
        """Seconds until it is tried again."""
        return max(0.0, self._until - time.monotonic()) if self._opened else 0.0

    @property
    def willing(self) -> bool:
        """A question may be asked now."""
        return self.state == "closed" or (self.state == "half_open" and not self._probing)

    def begin(self) -> bool:
        """A question is asked now. True: it is the one that tries the model; tell `left` when it is over."""
        probe = self.state == "half_open"
        self._probing |= probe
        return probe

    def worked(self) -> None:
        self._failures = self._opened = 0
        self._probing = False

    def failed(self) -> None:
        self._failures += 1
        if self._probing or (not self._opened and self._failures >= FAILURES):
            plain = min(MOST_S, FIRST_S * 2.0 ** min(self._opened, 16))
            self._opened += 1
            self._until = time.monotonic() + plain * (1.0 + self._rng.uniform(-_JITTER, _JITTER))
        self._probing = False

    def left(self) -> None:
        """The one that tried the model is over, perhaps without a verdict, since its asker has left."""
        self._probing = False
