"""Dates, times of day and years in words."""

from __future__ import annotations

import re
from datetime import date

from services.tts.adapters.wording.numerals import Numerals
from services.tts.adapters.wording.tongues import Tongue

_ISO = re.compile(r"(?<![\w.-])(\d{4})-(\d{2})-(\d{2})(?:T(?=\d)|(?![\w-]))")
_NUMERIC = re.compile(r"(?<![\w./-])(\d{1,2})([/.])(\d{1,2})\2(\d{4})(?![\w/])")
_CLOCK = re.compile(
    r"(?<![\w:.,])([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.\d+)?)?(?:Z\b)?"
    r"(?:[ \u00a0\u202f]?([ap])(?:m\b|\.[ ]?m\b\.?)|[ \u00a0](Uhr|h)\b)?(?![\w:])",
    re.I,
)
_HOUR = re.compile(r"(?<![\w:.,])(1[0-2]|0?[1-9])[ \u00a0\u202f]?([ap])(?:m\b|\.[ ]?m\b\.?)(?!\w)", re.I)
_AFTER_CUE = re.compile(
    r"\b((?:in|since|until|till|from|by|before|after|around|circa|during|year|of|spring|summer|autumn|fall|winter|"
    r"early|late|mid|seit|bis|ab|vor|nach|Jahr|Jahre|um|en|depuis|desde|año|année) )(1[1-9]\d\d|20\d\d)"
    r"(?!\d|[.,:/-]\d|%|\s?(?:people|miles|metres|meters|times|percent|Menschen|Meter|Euro)\b)",
    re.I,
)
_LIKELY_YEAR = re.compile(
    r"(?<![\w.,:/#$€£-])(19\d\d|20\d\d)"
    r"(?![\w%°]|[.,:/]\d| ?[-–]\d{1,3}\b| (?!was\b|is\b|has\b|does\b)[a-z]+s\b| ?[€£$%])"
)
_SPAN = re.compile(r"(?<![\w.,/-])((?:1[1-9]|20)\d\d)\s?[-–]\s?((?:1[1-9]|20)\d\d)(?![\w.,/-]\d|\d)")
_DECADE = re.compile(r"(?<![\w.,])(?:(1[1-9]|20)|['’])?([1-9])0['’]?s\b")
_TENS = ("", "tens", "twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")


class Moments:
    """Of one language; `region` decides between days and months that are both written as numbers."""

    def __init__(self, language: str, region: str, tongue: Tongue, numerals: Numerals) -> None:
        self._language = language
        self._month_first = language == "en" and region in {"", "us"}
        self._tongue = tongue
        self._numerals = numerals
        names = "|".join(sorted((f"{name[:3]}\\.?(?![a-zäé])|{name}" for name in tongue.months), key=len, reverse=True))
        self._month_day = re.compile(rf"\b({names}) (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?(?![\w:]|[.,/-]\d)")
        self._day_month = re.compile(
            rf"(?<![\w.,:/-])(\d{{1,2}})(?:st|nd|rd|th|\.|er)?(?: of| de)? ({names})(?:(?:,| de)? (\d{{4}}))?(?![\w:])"
        )

    def worded(self, text: str) -> str:
        text = _ISO.sub(self._iso, text)
        text = _NUMERIC.sub(self._numeric, text)
        if self._language == "en":
            text = self._month_day.sub(lambda found: self._named(found[0], found[1], found[2], found[3]), text)
        text = self._day_month.sub(lambda found: self._named(found[0], found[2], found[1], found[3]), text)
        text = _CLOCK.sub(self._clock, text)
        if self._language != "en":
            return _AFTER_CUE.sub(lambda found: found[1] + self._numerals.year(found[2]), text)
        text = _HOUR.sub(lambda found: f"{self._numerals.cardinal(str(int(found[1])))} {_half(found[2], found)}", text)
        text = _DECADE.sub(self._decade, text)
        text = _SPAN.sub(
            lambda found: f"{self._numerals.year(found[1])} {self._tongue.to} {self._numerals.year(found[2])}", text
        )
        text = _AFTER_CUE.sub(lambda found: found[1] + self._numerals.year(found[2]), text)
        return _LIKELY_YEAR.sub(lambda found: self._numerals.year(found[1]), text)

    def _iso(self, found: re.Match[str]) -> str:
        after = " " if found[0].endswith("T") else ""
        return self._date(found[0], int(found[1]), int(found[2]), int(found[3])) + after

    def _numeric(self, found: re.Match[str]) -> str:
        one, other, year = int(found[1]), int(found[3]), int(found[4])
        month_first = self._month_first and found[2] == "/"
        if one > 12 or other > 12:
            month_first = other > 12
        day, month = (other, one) if month_first else (one, other)
        return self._date(found[0], year, month, day)

    def _named(self, written: str, month: str, day: str, year: str | None) -> str:
        number = next(
            at
            for at, name in enumerate(self._tongue.months, 1)
            if name[:3] == month[:3] and (name == month or len(month) < 5)
        )
        if not 1 <= int(day) <= 31:
            return written
        return self._said(number, int(day), year)

    def _date(self, written: str, year: int, month: int, day: int) -> str:
        try:
            date(year, month, day)
        except ValueError:
            return written
        return self._said(month, day, str(year))

    def _said(self, month: int, day: int, year: str | None) -> str:
        name = self._tongue.months[month - 1]
        said_year = self._numerals.year(str(int(year))) if year else ""
        match self._language:
            case "en":
                return f"{name} {self._numerals.ordinal(str(day))}" + (f", {said_year}" if year else "")
            case "de":
                ordinal = self._numerals.ordinal(str(day), "spellout-ordinal-n")
                return f"{ordinal} {name}" + (f" {said_year}" if year else "")
            case "es":
                return f"{self._numerals.cardinal(str(day))} de {name}" + (f" de {said_year}" if year else "")
        first = "premier" if day == 1 else self._numerals.cardinal(str(day))
        return f"{first} {name}" + (f" {said_year}" if year else "")

    def _clock(self, found: re.Match[str]) -> str:
        hour, minute, second = int(found[1]), int(found[2]), found[3]
        say = self._numerals.cardinal
        if self._language == "de":
            seconds = f" und {say(str(int(second)))} Sekunden" if second and int(second) else ""
            return f"{say(str(hour))} Uhr" + (f" {say(str(minute))}" if minute else "") + seconds
        if self._language == "fr":
            return f"{say(str(hour))} heures" + (f" {say(str(minute))}" if minute else "")
        if self._language != "en":
            return f"{say(str(hour))}" + (f" {say(str(minute))}" if minute else "")
        half = ""
        if found[4]:
            half = f" {_half(found[4], found)}"
        elif hour > 12:
            hour, half = hour - 12, " PM"
        elif hour == 0:
            hour, half = 12, " AM"
        minutes = (
            (f"oh {say(str(minute))}" if minute < 10 else say(str(minute))) if minute else ("" if half else "o'clock")
        )
        seconds = ""
        if second and int(second):
            seconds = f" and {say(str(int(second)))} second{'' if int(second) == 1 else 's'}"
        return " ".join(f"{say(str(hour))} {minutes}{half}{seconds}".split())

    def _decade(self, found: re.Match[str]) -> str:
        century = f"{self._numerals.cardinal(found[1])} " if found[1] else ""
        return century + _TENS[int(found[2])]


def _half(letter: str, found: re.Match[str]) -> str:
    """`p` as PM; a full stop that may end the sentence too is kept."""
    rest = found.string[found.end() : found.end() + 2]
    ends = found[0].endswith(".") and (not rest.strip() or rest[1:].isupper())
    return f"{letter.upper()}M{'.' if ends else ''}"
