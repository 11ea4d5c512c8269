"""How often somebody may ask: sliding windows of a minute, one float and two counts for each caller and class."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from services.api.policy import Rate

WINDOW_S = 60.0
MOST_CALLERS = 16_384
"""Windows kept; the one unused for longest goes first, which is the one most likely to be empty again."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a minute."""

    usual: int = 600
    cheap: int = 6000
    costly: int = 300
    login: int = 30
    failures: int = 120
    """Credentials worth nothing that one address may offer."""
    owner_factor: int = 10

    def of(self, rate: Rate, *, owner: bool = False) -> int:
        most = {"usual": self.usual, "cheap": self.cheap, "costly": self.costly, "login": self.login}[rate]
        return most * self.owner_factor if owner and rate != "login" else most


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands after asking."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: int
    """Until all of the limit is there again."""
    retry_after_s: float = 0.0
    """Until one more is allowed; 0 when this one was."""


@dataclass(slots=True)
class _Window:
    number: int
    now: int = 0
    before: int = 0


@dataclass(slots=True)
class Windows:
    """Counts of this minute and, fading out as it passes, of the one before.

    The library `limits` was tried first: its memory storage starts a task for each hit, which goes through all
    callers, keeps as many callers as come, and takes 0.2 s to import; this is constant in time and bounded.
    """

    clock: Callable[[], float] = time.monotonic
    most: int = MOST_CALLERS
    _windows: OrderedDict[Hashable, _Window] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._windows)

    def take(self, who: Hashable, limit: int) -> Standing:
        """Ask for one; one that is refused does not count."""
        window, passed = self._at(who)
        used = window.before * (1 - passed) + window.now
        if used + 1 > limit:
            return Standing(False, limit, 0, self._reset(window, passed), self._wait(window, passed, limit))
        window.now += 1
        return Standing(True, limit, int(limit - used - 1), self._reset(window, passed))

    def full(self, who: Hashable, limit: int) -> float:
        """Seconds until one more would be allowed, without asking; 0: it is."""
        window, passed = self._at(who)
        return self._wait(window, passed, limit) if window.before * (1 - passed) + window.now + 1 > limit else 0.0

    def _at(self, who: Hashable) -> tuple[_Window, float]:
        """The caller's window, and how much of it has passed (0 to 1)."""
        number, rest = divmod(self.clock(), WINDOW_S)
        window = self._windows.get(who)
        if window is None:
            if len(self._windows) >= self.most:
                self._windows.popitem(last=False)
            window = self._windows[who] = _Window(int(number))
        else:
            self._windows.move_to_end(who)
        if window.number != number:
            window.before = window.now if window.number == number - 1 else 0
            window.number, window.now = int(number), 0
        return window, rest / WINDOW_S

    @staticmethod
    def _reset(window: _Window, passed: float) -> int:
        return math.ceil(((2 if window.now else 1) - passed) * WINDOW_S)

    @staticmethod
    def _wait(window: _Window, passed: float, limit: int) -> float:
        """The moment at which `before * (1 - passed) + now + 1` has fallen to the limit."""
        free = limit - 1 - window.now
        if free >= 0 and window.before:
            return max(0.0, 1 - free / window.before - passed) * WINDOW_S
        # This minute is full by itself: it has to become the one before, and to fade.
        return (1 - passed + max(0.0, 1 - (limit - 1) / max(1, window.now))) * WINDOW_S
