"""How many threads decode: as many as there are cores that nobody else is using just now."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

LOOK_EVERY_S = 0.1
"""Between two looks at the machine."""
RESTED_S = 0.03
"""Between two steps: the engine was asked anew. What others did meanwhile says nothing of now: a spoken question is
answered by who was waiting until it had been understood, which took all cores."""
STALLED = 3.0
"""A step that takes so many times the usual one was waiting for a thread that somebody else's work had displaced."""


class Threads:
    """Decoding threads meet at every operation of every layer, so one that has to wait for a core stops them all: two
    threads on two cores of which one is busy are slower than one thread. The share of each core that other processes
    use is looked up ten times a second, where the system tells it (Linux); elsewhere the number stays as it is.
    """

    def __init__(
        self,
        most: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        busy: Callable[[], tuple[float, int] | None] | None = None,
        own: Callable[[], float] = time.process_time,
    ) -> None:
        """`busy` gives the seconds of work of all cores together since the start, and how many cores there are."""
        self._most = most
        self._clock = clock
        self._busy = busy_cores if busy is None else busy
        self._own = own
        self._now = most
        self._last: tuple[float, float, float] | None = None
        self._stepped: float | None = None

    def now(self) -> int:
        """Threads for the next step, 1 to `most`."""
        if self._most == 1:
            return 1
        at = self._clock()
        rested = self._stepped is None or at - self._stepped > RESTED_S
        if self._last is not None and not rested and at - self._last[0] < LOOK_EVERY_S:
            return self._now
        machine = self._busy()
        if machine is None:
            return self._now
        busy, cores = machine
        own = self._own()
        if rested or self._last is None:
            self._now = self._most
        else:
            others = max(0.0, (busy - self._last[1]) - (own - self._last[2])) / (at - self._last[0])
            self._now = max(1, min(self._most, int(cores - others + 0.5)))
        self._last = (at, busy, own)
        return self._now

    def took(self, seconds: float, usual: float) -> None:
        """A step took `seconds` instead of `usual`: until the next look, waiting for nobody is quickest."""
        self._stepped = self._clock()
        if usual > 0 and seconds > STALLED * usual:
            self._now = 1


def busy_cores() -> tuple[float, int] | None:
    """Seconds that all cores together have worked since the start, and their number; None where it is not told.

    Source: proc(5), /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal in ticks.
    """
    try:
        head = Path("/proc/stat").read_bytes()
    except OSError:
        return None
    lines = [line.split() for line in head.splitlines() if line.startswith(b"cpu")]
    if len(lines) < 2 or len(lines[0]) < 8:
        return None
    ticks = [int(number) for number in lines[0][1:9]]
    worked = sum(ticks) - ticks[3] - ticks[4]
    return worked / os.sysconf("SC_CLK_TCK"), len(lines) - 1
