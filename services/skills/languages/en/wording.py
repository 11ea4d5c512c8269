"""What is said in English: short sentences, numbers and times as people say them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from services.skills.languages.en.replies import REPLIES
from services.skills.languages.en.units import UNITS
from services.skills.languages.language import words

_ORDINALS = words(
    """zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
        fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second
        twenty-third twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth
        thirty-first"""
)
_WEEKDAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
_MONTHS = words("January February March April May June July August September October November December")
_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
_IN_WORDS = 100
"""Whole numbers below are said in words."""


class EnglishWording:
    _spelling: Any = None

    def load(self) -> None:
        from unicode_rbnf import RbnfEngine

        self._spelling = RbnfEngine.for_language("en")

    def say(self, sentence: str, **values: str) -> str:
        said = REPLIES[sentence].format(**values)
        return said[:1].upper() + said[1:]

    def number(self, value: Decimal) -> str:
        """Rounded to what can be taken in by ear."""
        if value != value.to_integral_value():
            rounded = round(value, 2 if abs(value) >= 1 else 4 - value.adjusted() - 2)
            return f"{rounded.normalize():f}".replace("-", "minus ")
        whole = int(value)
        if abs(whole) < _IN_WORDS:
            return ("minus " if whole < 0 else "") + self._words(abs(whole))
        return f"{whole:,}".replace("-", "minus ")

    def duration(self, seconds: float) -> str:
        left = max(0, round(seconds))
        if left >= 3600:
            left = left if left % 60 == 0 or left < 7200 else round(left / 60) * 60
        parts = []
        for name, size in _UNITS:
            count, left = divmod(left, size)
            if count:
                parts.append(f"{self._words(count)} {name}{'s' * (count != 1)}")
        return self.joined(parts[:3]) or "no time"

    def clock(self, at: datetime) -> str:
        hour, minute = at.hour, at.minute
        if minute == 0 and hour in {0, 12}:
            return "midday" if hour else "midnight"
        part = "at night"
        if 3 <= hour < 12:
            part = "in the morning"
        elif 12 <= hour < 18:
            part = "in the afternoon"
        elif 18 <= hour < 23:
            part = "in the evening"
        if minute == 0:
            return f"{self._hour(hour)} o'clock {part}"
        if minute in {15, 30}:
            return f"{'quarter' if minute == 15 else 'half'} past {self._hour(hour)} {part}"
        if minute == 45:
            return f"quarter to {self._hour(hour + 1)} {part}"
        said = f"oh {self._words(minute)}" if minute < 10 else self._words(minute)
        return f"{self._hour(hour)} {said} {part}"

    def full_date(self, day: date) -> str:
        return f"{self.weekday(day)}, the {_ORDINALS[day.day]} of {self.month(day)} {day.year}"

    def weekday(self, day: date) -> str:
        return _WEEKDAYS[day.weekday()]

    def month(self, day: date) -> str:
        return _MONTHS[day.month - 1]

    def when(self, at: datetime, now: datetime) -> str:
        days = (at.date() - now.date()).days
        if days == 0:
            return self.clock(at)
        if days == 1:
            return f"{self.clock(at)} tomorrow"
        if days < 7:
            return f"{self.clock(at)} on {self.weekday(at)}"
        return f"{self.clock(at)} on {self.full_date(at)}"

    def amount(self, value: Decimal, unit: str) -> str:
        known = UNITS[unit]
        return f"{self.number(value)} {known.one if value == 1 else known.many}"

    def joined(self, things: Sequence[str]) -> str:
        if len(things) < 3:
            return " and ".join(things)
        return f"{', '.join(things[:-1])} and {things[-1]}"

    def listed(self, told: Sequence[str], count: int) -> str:
        if count == 1:
            return f"{told[0]}."
        said = f"{self._words(count)}: {self.joined([one[:1].lower() + one[1:] for one in told])}."
        return said[:1].upper() + said[1:]

    def named(self, kind: str, name: str, length: float) -> str:
        if kind == "reminder":
            return f"reminder to {name}" if name else "reminder"
        if name:
            return f"{name} {kind}"
        if kind == "timer" and length:
            return f"{self._length(length)} timer"
        return kind

    def _length(self, seconds: float) -> str:
        """'ten-minute', as it stands before a noun."""
        for name, size in _UNITS:
            if seconds >= size and seconds % size == 0:
                return f"{self._words(round(seconds / size))}-{name}"
        return f"{round(seconds)}-second"

    def _hour(self, hour: int) -> str:
        return self._words((hour - 1) % 12 + 1)

    def _words(self, number: int) -> str:
        return str(self._spelling.format_number(number).text) if self._spelling is not None else str(number)
