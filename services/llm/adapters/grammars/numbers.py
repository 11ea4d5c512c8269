"""Numbers between bounds, as grammar for their digits."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NamedTuple

DIGITS = 15
"""Of an integer or behind the point: so many decimal digits survive a double (DBL_DIG)."""
LARGEST = 10**DIGITS - 1
NUMBER = f'"-"? ("0" | [1-9] [0-9]{{0,{DIGITS - 1}}}) ("." [0-9]{{1,{DIGITS}}})? ([eE] [-+]? [0-9]{{1,2}})?'
INTEGER = f'"-"? ("0" | [1-9] [0-9]{{0,{DIGITS - 1}}})'


class Bounds(NamedTuple):
    """Exact: whoever writes 0.1 means one tenth."""

    low: Decimal | None = None
    low_open: bool = False
    """The bound itself is outside."""
    high: Decimal | None = None
    high_open: bool = False


def integers(bounds: Bounds) -> str | None:
    """Grammar of the integers between bounds; None when there are none of at most `DIGITS` digits."""
    if bounds.low is None and bounds.high is None:
        return INTEGER
    low, high = -LARGEST, LARGEST
    if bounds.low is not None:
        low = max(low, math.floor(bounds.low) + 1 if bounds.low_open else math.ceil(bounds.low))
    if bounds.high is not None:
        high = min(high, math.ceil(bounds.high) - 1 if bounds.high_open else math.floor(bounds.high))
    parts = []
    if low < 0:
        parts += [f'"-" ({part})' for part in _positive(max(1, -high), -low)]
    if high >= 0:
        parts += _positive(max(0, low), high)
    return " | ".join(parts) or None


def numbers(bounds: Bounds) -> str | None:
    """Grammar of the decimal numbers between bounds; without bounds with exponents."""
    if bounds.low is None and bounds.high is None:
        return NUMBER
    most = Decimal(LARGEST)
    low = Bounds(bounds.low if bounds.low is not None else -most, bounds.low_open)
    high = Bounds(high=bounds.high if bounds.high is not None else most, high_open=bounds.high_open)
    assert low.low is not None and high.high is not None
    parts = []
    if low.low < 0:
        # The same number line, looked at from the other side.
        nearest = -high.high if high.high < 0 else Decimal(0)
        mirrored = Bounds(nearest, high.high_open if high.high <= 0 else False, min(-low.low, most), low.low_open)
        parts += [f'"-" ({part})' for part in _decimals(mirrored)]
    if high.high >= 0:
        nearest = max(low.low, Decimal(0))
        open_ = low.low_open if low.low >= 0 else False
        parts += _decimals(Bounds(nearest, open_, min(high.high, most), high.high_open))
    return " | ".join(parts) or None


def _positive(low: int, high: int) -> list[str]:
    """Integers from 0 up, one alternative for each number of digits."""
    parts = []
    for length in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (length - 1) if length > 1 else 0)
        last = min(high, 10**length - 1)
        if first <= last:
            parts.append(_between(str(first), str(last)))
    return parts


def _between(low: str, high: str) -> str:
    """Texts of digits as long as both bounds."""
    if not low:
        return '""'
    if low == high:
        return f'"{low}"'
    if low[0] == high[0]:
        return f'"{low[0]}" {_group(_between(low[1:], high[1:]))}'
    rest = len(low) - 1
    zeros, nines = "0" * rest, "9" * rest
    parts = []
    first, last = int(low[0]), int(high[0])
    if low[1:] != zeros:
        parts.append(f'"{low[0]}" {_group(_between(low[1:], nines))}')
        first += 1
    ending = None
    if high[1:] != nines:
        ending = f'"{high[0]}" {_group(_between(zeros, high[1:]))}'
        last -= 1
    if first <= last:
        digit = f"[{first}-{last}]" if first < last else f'"{first}"'
        parts.append(f"{digit} [0-9]{{{rest}}}" if rest else digit)
    return " | ".join([*parts, *([ending] if ending else [])])


def _decimals(bounds: Bounds) -> list[str]:
    """Numbers from 0 up: integers between with any digits behind the point, and the bounds' own with some of them."""
    assert bounds.low is not None and bounds.high is not None
    if bounds.low > bounds.high or (bounds.low == bounds.high and (bounds.low_open or bounds.high_open)):
        return []
    first, last = int(bounds.low), int(bounds.high)
    low, high = _digits(bounds.low - first), _digits(bounds.high - last)
    parts: list[str] = []
    if first == last:
        fractions = _fractions(low, bounds.low_open, high, bounds.high_open)
        return [f'"{first}" {_group(fractions)}'] if fractions else []
    if fractions := _fractions(low, bounds.low_open, None, False):
        parts.append(f'"{first}" {_group(fractions)}')
    parts += [f'{_group(part)} ("." [0-9]{{1,{DIGITS}}})?' for part in _positive(first + 1, last - 1)]
    if fractions := _fractions("", False, high, bounds.high_open):
        parts.append(f'"{last}" {_group(fractions)}')
    return parts


def _fractions(low: str, low_open: bool, high: str | None, high_open: bool) -> str | None:
    """The point and what follows it, or nothing, for fractions between two given by their digits; `high` None: 1."""
    whole = not low and not low_open and not (high == "" and high_open)
    digits = _behind(low, low_open, high, high_open, DIGITS)
    parts = ['""'] if whole else []
    parts += [f'"." {_group(digits)}'] if digits else []
    return " | ".join(parts) or None


def _behind(low: str | None, low_open: bool, high: str | None, high_open: bool, room: int) -> str | None:
    """At least one digit, so that the fraction stays between the bounds; `low` None: it is above already, `high` None:
    below. `room`: digits at most."""
    if not room or (high == "" and high_open):
        return None
    low = None if low == "" and not low_open else low
    if low is None and high is None:
        return f"[0-9]{{1,{room}}}"
    if low is None and high == "":
        return f'"0"{{1,{room}}}'
    if low == "" and high is None:  # more than the bound: one digit at least is not 0
        return f'"0"{{0,{room // 2}}} [1-9] [0-9]{{0,{room // 2}}}'
    least = 0 if low is None else int(low[:1] or 0)
    most = 9 if high is None else int(high[:1] or 0)
    parts: list[str] = []
    for digit in range(least, most + 1):
        lower = low[1:] if low is not None and digit == least else None
        upper = high[1:] if high is not None and digit == most else None
        # The text may end behind this digit when what is missing, zeros, is between the bounds.
        ends = (lower is None or (not lower and not low_open)) and (upper is None or bool(upper) or not high_open)
        if lower is None and upper is None and parts and parts[-1].startswith("["):
            parts[-1] = (
                f"[{parts[-1][1]}-{digit}] ([0-9]{{1,{room - 1}}})?" if room > 1 else f"[{parts[-1][1]}-{digit}]"
            )
            continue
        more = _behind(lower, low_open, upper, high_open, room - 1)
        if lower is None and upper is None:
            parts.append(f"[{digit}-{digit}] ([0-9]{{1,{room - 1}}})?" if room > 1 else f"[{digit}-{digit}]")
        elif more:
            parts.append(f'"{digit}" {_group(more)}{"?" if ends else ""}')
        elif ends:
            parts.append(f'"{digit}"')
    return " | ".join(parts) or None


def _digits(fraction: Decimal) -> str:
    """Of a fraction from 0 to below 1, behind the point, without zeros at the end."""
    return f"{fraction:f}".partition(".")[2].rstrip("0")


def _group(text: str) -> str:
    return f"({text})" if " " in text else text
