"""Numbers and times as a person reads them, and foreign text as it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.units import ago, clip, clock, count, literal, milliseconds, rate, size, span

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
MIB = 1024**2


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (None, "–"),
        (0, "0 KiB"),
        (2048, "2 KiB"),
        (61 * MIB, "61 MiB"),
        (999 * MIB, "999 MiB"),
        (1009 * MIB, "0.99 GiB"),
    ],
)
def test_size(octets: int | None, text: str) -> None:
    assert size(octets) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0.0 ms"), (0.44, "0.4 ms"), (9.96, "10 ms"), (742.4, "742 ms"), (9999.6, "10.0 s")],
)
def test_milliseconds(value: float | None, text: str) -> None:
    assert milliseconds(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0.0 s"),
        (0.02, "< 0.1 s"),
        (1.84, "1.8 s"),
        (9.97, "10 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (86400 * 3 + 3600 * 4, "3 d 4 h"),
    ],
)
def test_span(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


def test_count_and_rate() -> None:
    assert (count(12345), count(12), rate(98.24), rate(None)) == ("12\u202f345", "12", "98.2", "–")


def test_clock_speaks_the_readers_zone_and_names_another_day() -> None:
    here = NOW.astimezone(timezone(timedelta(hours=2)))
    assert clock(datetime(2026, 11, 21, 11, 2, 3, tzinfo=UTC), here) == "13:02:03"
    assert clock(datetime(2026, 11, 20, 11, 2, 3, tzinfo=UTC), here) == "20 Nov 13:02"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "just now"), (9, "just now"), (47, "40 s ago"), (150, "2 min ago"), (7300, "2 h ago"), (200000, "2 d ago")],
)
def test_ago(seconds: int, text: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_clip() -> None:
    assert clip("a  b\n c", 9) == "a b c"
    assert clip("abcdefghij", 5) == "abcd…"
    assert clip("abc defghij", 5) == "abc…"


def test_literal() -> None:
    assert literal("**a** <b>") == "` **a** <b> `"
    assert literal("a `b` ``c``") == "``` a `b` ``c`` ```"
    assert literal(" \n ") == ""


@given(st.text(alphabet="`a \n*", max_size=30))
def test_no_text_can_close_its_own_fence(text: str) -> None:
    quoted = literal(text)
    if quoted:
        fence = quoted[: quoted.index(" ")]
        inside = quoted[len(fence) + 1 : -len(fence) - 1]
        assert inside == " ".join(text.split())
        assert len(fence) not in {len(run) for run in re.findall("`+", inside)}
