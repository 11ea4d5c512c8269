"""Turns numbers, times and foreign text into what a person reads at a glance."""

from __future__ import annotations

import re
from datetime import datetime

NONE = "–"
"""Shown where there is no value, so that a missing one never looks like zero."""


def size(octets: int | None) -> str:
    """Bytes in binary units: `412 MiB`, `1.24 GiB`; never more than three digits before the point."""
    if octets is None:
        return NONE
    if octets < 1024**2:
        return f"{octets / 1024:.0f} KiB"
    if octets < 1000 * 1024**2:
        return f"{octets / 1024**2:.0f} MiB"
    return f"{octets / 1024**3:.2f} GiB"


def milliseconds(value: float | None) -> str:
    """Milliseconds: `0.4 ms`, `742 ms`, from ten seconds on `12.3 s`."""
    if value is None:
        return NONE
    if value >= 9999.5:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 9.95 else f"{value:.1f} ms"


def span(seconds: float | None) -> str:
    """A length of time in its two largest units: `1.8 s`, `42 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`."""
    if seconds is None:
        return NONE
    if 0 < seconds < 0.05:
        return "< 0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def count(value: int) -> str:
    """An integer with thin groups of three: `12 345`."""
    return f"{value:,}".replace(",", "\u202f")


def rate(value: float | None) -> str:
    """A number per second without its unit: `98.2`."""
    return NONE if value is None else f"{value:.1f}"


def clock(then: datetime, now: datetime) -> str:
    """Local wall time of `then`: `12:03:41`, and the day before it when that is not today."""
    local = then.astimezone(now.tzinfo)
    pattern = "%H:%M:%S" if local.date() == now.date() else "%d %b %H:%M"
    return local.strftime(pattern)


def ago(then: datetime, now: datetime) -> str:
    """How long ago, so coarsely that few refreshes change it: `just now`, `40 s ago`, `2 min ago`."""
    seconds = (now - then).total_seconds()
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{int(seconds // 10) * 10} s ago"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    return f"{int(seconds // 86400)} d ago"


def clip(text: str, limit: int) -> str:
    """The text on one line, cut to `limit` characters with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def literal(text: str) -> str:
    """Markdown that shows `text` exactly as it is, on one line, whatever it holds.

    A code span is the only construct whose content no Markdown extension touches (CommonMark 0.31, section 6.1): its
    fence is one backtick longer than any run inside, and one space on each side is taken off again.
    """
    line = " ".join(text.split())
    if not line:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}"
