"""Timers, alarms and reminders: which are set, and what becomes of them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.profiles import OWNER
from solo.bus import Event, Request


class Timer(BaseModel):
    """A timer, an alarm or a reminder."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Names it."""
    kind: Literal["timer", "alarm", "reminder"]
    """A timer counts down, an alarm is at a time of day, a reminder is either and has something to say."""
    name: str
    """Such as `pizza`, or what to be reminded of; empty: none."""
    state: Literal["running", "paused", "ringing"]
    """`ringing`: it has run out and is being told."""
    set_at: str
    """ISO 8601 UTC: when it was set."""
    due_at: str | None
    """ISO 8601 UTC: when it will be told, or ran out; None: it is paused."""
    left_s: float = Field(ge=0)
    """Seconds until then; 0 for one that is ringing."""
    length_s: float
    """Seconds that it was set for; 0 where it was set for a time of day."""


class ListTimers(Request[tuple[Timer, ...]]):
    """What is set? What rings comes first, then what is due next."""

    idempotent = True

    profile: str = OWNER
    """Whose."""


class CancelTimer(Request[Timer]):
    """Forget a timer, or silence one that rings; answered with what it was. Raises `skills.no_timer`."""

    profile: str = OWNER
    """Whose."""
    timer_id: str
    """Which."""


class TimerSet(Event):
    """A timer was set, and is kept."""

    profile: str
    """Whose."""
    timer: Timer
    """Which."""


class TimerChanged(Event):
    """A timer was paused, goes on, or is due at another time."""

    profile: str
    """Whose."""
    timer: Timer
    """As it is now."""


class TimerCancelled(Event):
    """A timer was cancelled before it ran out."""

    profile: str
    """Whose."""
    timer: Timer
    """As it was."""


class TimerFinished(Event):
    """A timer has run out; it is told from now on."""

    profile: str
    """Whose."""
    timer: Timer
    """Which."""
