"""English times of day: "half past seven", "6:45 pm tomorrow", "noon on Friday"."""

from __future__ import annotations

import re

_WEEKDAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_DAY = re.compile(rf"(?:^|\s)(?:(?:on )?(?:this |next )?(?P<weekday>{_WEEKDAYS})|(?P<day>today|tomorrow))(?=\s|$)")
_PART = re.compile(
    r"(?:^|\s)(?:in the |this |at )?(?P<part>morning|afternoon|evening|night|tonight)(?=\s|$)",
)
_PARTS = {"morning": "am", "afternoon": "pm", "evening": "pm", "tonight": "pm", "night": "night"}
_TIME = re.compile(
    r"(?:at |for )?(?:"
    r"(?P<named>noon|midday|midnight)"
    r"|(?P<share>half|quarter|a quarter|\d{1,2})(?: minutes?)? (?P<side>past|to|after|before) "
    r"(?P<around>\d{1,2})(?: oclock)?"
    r"|half (?P<half>\d{1,2})"
    r"|(?P<hour>\d{1,2})(?:(?::|\.| )(?P<minute>[0-5]\d)| (?:oh|o|0) (?P<oh>[1-9]))?(?: oclock)?"
    r"|(?P<four>[01]\d[0-5]\d|2[0-3][0-5]\d)(?: hours)?"
    r")(?: (?P<half_day>am|pm))?"
)


def read_moment(text: str) -> dict[str, str] | None:
    """`hour`, `minute`, `half` (am, pm or empty: nobody said), `day` (today, tomorrow, monday ... or empty).

    `text` is tidied. None: that is no time of day.
    """
    day, text = _cut(_DAY, text)
    part, text = _cut(_PART, text)
    found = _TIME.fullmatch(text.removeprefix("at ").strip())
    if found is None:
        return None
    clock = _clock(found)
    if clock is None:
        return None
    hour, minute, half = clock
    said = _PARTS.get(part["part"], "") if part else ""
    if said == "night":
        said = "am" if hour == 12 or hour < 5 else "pm"
    if said and half and said != half:
        return None
    half = half or said
    if half and (hour > 12 or hour == 0):
        half = ""  # '18:30 in the evening'
    when = (day["weekday"] or day["day"]) if day else ""
    if part and part["part"] == "tonight":
        when = when or "tonight"
    return {"hour": str(hour), "minute": str(minute), "half": half, "day": when}


def _cut(pattern: re.Pattern[str], text: str) -> tuple[re.Match[str] | None, str]:
    found = pattern.search(text)
    if found is None:
        return None, text
    return found, " ".join(f"{text[: found.start()]} {text[found.end() :]}".split())


def _clock(found: re.Match[str]) -> tuple[int, int, str] | None:
    half = found["half_day"] or ""
    if found["named"]:
        return (0, 0, "") if found["named"] == "midnight" else (12, 0, "pm")
    if found["half"]:
        hour, minute = int(found["half"]), 30
    elif found["around"]:
        share = {"half": 30, "quarter": 15, "a quarter": 15}.get(found["share"]) or int(found["share"])
        hour, minute = int(found["around"]), share
        if not 0 < share < 60 or (found["share"] == "half" and found["side"] in {"to", "before"}):
            return None
        if found["side"] in {"to", "before"}:
            hour, minute = hour - 1, 60 - share
            if hour <= 0:
                hour = 12 if hour == 0 else 11
    elif found["four"]:
        hour, minute = int(found["four"][:2]), int(found["four"][2:])
    else:
        hour, minute = int(found["hour"]), int(found["minute"] or found["oh"] or 0)
    if hour > 23 or minute > 59 or (half and not 1 <= hour <= 23):
        return None
    return hour, minute, half
