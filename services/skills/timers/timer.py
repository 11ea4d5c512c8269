"""A timer, an alarm or a reminder, and the two clocks that they go by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from services.messages.timers import Timer

Kind = Literal["timer", "alarm", "reminder"]


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock on the wall, which may be set, and one that only goes forward."""

    wall: Callable[[], float]
    """Seconds since 1970 UTC."""
    steady: Callable[[], float]
    """Seconds since the machine's start, those of its sleep included where the system counts them."""
    boot: str
    """Names the start that `steady` counts from; empty: unknown, it means nothing in another process."""

    @classmethod
    def of_this_machine(cls) -> Clock:
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            boot = ""
        since_boot = getattr(time, "CLOCK_BOOTTIME", None)
        steady = time.monotonic if since_boot is None else lambda: time.clock_gettime(since_boot)
        return cls(time.time, steady, boot)


@dataclass(slots=True)
class Entry:
    id: str
    profile: str
    kind: Kind
    name: str
    source: str
    length_s: float
    by_clock: bool
    set_at: float
    """Seconds since 1970 UTC, as is `due_at`."""
    due_at: float
    boot: str
    due_steady: float
    paused_s: float | None = None
    told: bool = False

    def left(self, clock: Clock) -> float:
        """Seconds until it is due; below 0 once it has run out."""
        if self.paused_s is not None:
            return self.paused_s
        return self.due_at - clock.wall() if self.by_clock else self.due_steady - clock.steady()

    def settle(self, clock: Clock) -> None:
        """Say by both clocks when it is due, from the one that it goes by."""
        left = self.left(clock)
        self.due_at = clock.wall() + left
        self.due_steady = clock.steady() + left
        self.boot = clock.boot

    def after_restart(self, clock: Clock) -> None:
        """In the same start of the machine the steady clock still counts; after another one only the wall's is left."""
        if not self.by_clock and not (self.boot and self.boot == clock.boot):
            self.due_steady = clock.steady() + self.due_at - clock.wall()
        self.settle(clock)

    def shown(self, clock: Clock, *, ringing: bool = False) -> Timer:
        left = self.left(clock)
        paused = self.paused_s is not None
        return Timer(
            id=self.id,
            kind=self.kind,
            name=self.name,
            state="ringing" if ringing else "paused" if paused else "running",
            set_at=_iso(self.set_at),
            due_at=None if paused else _iso(clock.wall() + left),
            left_s=round(max(0.0, left), 3),
            length_s=self.length_s,
        )


def _iso(stamp: float) -> str:
    return datetime.fromtimestamp(stamp, UTC).isoformat(timespec="milliseconds")
