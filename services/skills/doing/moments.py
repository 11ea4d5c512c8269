"""Which moment somebody means who says a time of day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from services.skills.doing.hands import WallTime

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EARLY = 5
"""Before this hour nobody means the morning who does not say so."""


def moment(slots: Mapping[str, str], now: float, wall_time: WallTime, *, wake: bool = False) -> float | None:
    """The next one, as seconds since 1970; None: it has passed today, and today was said."""
    local = wall_time.local(now)
    hours = _hours(int(slots["hour"]), slots["half"], slots["day"], wake=wake)
    to_come = [
        stamp
        for day in _days(slots["day"], local.date())
        for hour in hours
        if (stamp := wall_time.stamp(datetime.combine(day, time(hour, int(slots["minute"]))))) > now
    ]
    return min(to_come, default=None)


def _hours(hour: int, half: str, day: str, *, wake: bool) -> tuple[int, ...]:
    """Of 24, that may be meant."""
    if half:
        return (hour % 12 + 12 * (half == "pm"),)
    if hour > 12 or hour == 0:
        return (hour,)
    morning, evening = hour % 12, hour % 12 + 12
    if day == "tonight":
        return (evening,)
    if wake and _EARLY <= hour < 12:
        return (morning,)
    if day and day != "today":
        return (morning,) if _EARLY <= hour < 12 or wake else (evening,)
    return (morning, evening)


def _days(day: str, today: date) -> list[date]:
    if day in {"today", "tonight"}:
        return [today]
    if day == "tomorrow":
        return [today + timedelta(days=1)]
    if day in _WEEKDAYS:
        ahead = (_WEEKDAYS.index(day) - today.weekday()) % 7
        return [today + timedelta(days=ahead), today + timedelta(days=ahead + 7)]
    return [today, today + timedelta(days=1)]
