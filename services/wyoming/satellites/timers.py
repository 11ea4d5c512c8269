"""What becomes of timers, as a satellite shows it."""

from __future__ import annotations

from wyoming.event import Event
from wyoming.timer import TimerCancelled as Cancelled
from wyoming.timer import TimerFinished as Finished
from wyoming.timer import TimerStarted as Started
from wyoming.timer import TimerUpdated as Updated

from services.messages.timers import TimerCancelled, TimerChanged, TimerFinished, TimerSet
from solo.bus import Event as Fact


def shown_timer(fact: Fact, profile: str) -> Event | None:
    """None: it is no fact of a timer of this person's."""
    if not isinstance(fact, TimerSet | TimerChanged | TimerCancelled | TimerFinished) or fact.profile != profile:
        return None
    timer = fact.timer
    if isinstance(fact, TimerSet):
        return Started(
            id=timer.id, total_seconds=round(timer.length_s or timer.left_s), name=timer.name or None
        ).event()
    if isinstance(fact, TimerChanged):
        return Updated(id=timer.id, is_active=timer.state == "running", total_seconds=round(timer.left_s)).event()
    return (Cancelled if isinstance(fact, TimerCancelled) else Finished)(id=timer.id).event()
