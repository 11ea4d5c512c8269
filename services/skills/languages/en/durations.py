"""English lengths of time: "an hour and a half", "1 hour 20 minutes"."""

from __future__ import annotations

import re

MOST_S = 7 * 86_400
"""Longest duration that is understood: a week."""

_UNITS = {
    "second": 1,
    "seconds": 1,
    "sec": 1,
    "secs": 1,
    "s": 1,
    "minute": 60,
    "minutes": 60,
    "min": 60,
    "mins": 60,
    "m": 60,
    "hour": 3600,
    "hours": 3600,
    "hr": 3600,
    "hrs": 3600,
    "h": 3600,
    "day": 86_400,
    "days": 86_400,
}
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_SHARE = r"half|quarter|3 quarters|1 half|1 quarter"
_SHARES = {"half": 0.5, "quarter": 0.25, "3 quarters": 0.75, "1 half": 0.5, "1 quarter": 0.25}
_PART = re.compile(
    rf"(?:(?P<share>{_SHARE})(?: of)?(?: an?| 1)? (?P<whole>{_UNIT})"
    rf"|an? (?P<one_share>half|quarter)(?: of)?(?: an?)? (?P<one_whole>{_UNIT})"
    rf"|(?P<number>\d+(?:\.\d+)?|an?)(?: and (?:a |1 |3 )?(?P<more>half|quarter|quarters))? (?:more )?(?P<unit>{_UNIT})"
    rf"(?: and (?:an?|1) (?P<behind>half|quarter)(?! an?\b| of\b))?"
    rf"|an? couple(?: of)? (?P<couple>{_UNIT}))(?=\s|$)"
)
_BARE = re.compile(r"(?:and )?(\d+)$")
_BELOW = {3600: 60, 60: 1, 86_400: 3600}


def read_duration(text: str) -> float | None:
    """Seconds; None: that is no duration. `text` is tidied."""
    total, at, unit, smallest = 0.0, 0, 0, 10**9
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            break
        seconds, unit = _seconds(part)
        if unit >= smallest:
            return None
        smallest = unit
        total += seconds
        at = part.end()
        if text.startswith(" and ", at) and at + 5 < len(text):
            at += 5
        elif text.startswith(" ", at):
            at += 1
    if at < len(text):
        bare = _BARE.match(text, at)
        if bare is None or not unit or unit not in _BELOW or not 0 < int(bare[1]) < 60:
            return None
        total += int(bare[1]) * _BELOW[unit]  # "two minutes thirty"
    return total if 0 < total <= MOST_S else None


def _seconds(part: re.Match[str]) -> tuple[float, int]:
    if (share := part["share"]) is not None:
        unit = _UNITS[part["whole"]]
        return _SHARES[share] * unit, unit
    if part["one_share"] is not None:
        unit = _UNITS[part["one_whole"]]
        return _SHARES[part["one_share"]] * unit, unit
    if part["couple"] is not None:
        unit = _UNITS[part["couple"]]
        return 2.0 * unit, unit
    unit = _UNITS[part["unit"]]
    number = 1.0 if part["number"] in {"a", "an"} else float(part["number"])
    for share in (part["more"], part["behind"]):
        if share is not None:
            number += {"half": 0.5, "quarter": 0.25, "quarters": 0.75}[share]
    return number * unit, unit
