"""How a sentence is divided into windows: soon heard, never silent in between, no window wasted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.adapters.windows import FIRST, MOST, Pace

FRAME_S = 256 / 22_050


def divided(frames: int, pace: Pace) -> list[int]:
    """The windows of a sentence made at exactly this pace, played from the end of the first one on."""
    windows = [pace.first(frames)]
    ahead = windows[0] * FRAME_S
    while (left := frames - sum(windows)) > 0:
        windows.append(pace.following(ahead, left))
        ahead += windows[-1] * FRAME_S - (windows[-1] + pace.margin) * pace.cost_s
    return windows


@given(st.integers(1, 3000), st.integers(0, 60), st.floats(0, 0.05))
def test_every_frame_is_in_one_window(frames: int, margin: int, cost: float) -> None:
    windows = divided(frames, Pace(FRAME_S, margin, cost))
    assert sum(windows) == frames
    assert min(windows) > 0


@given(st.integers(1, 3000), st.floats(0.00001, 0.004))
def test_it_is_never_silent_between_windows(frames: int, cost: float) -> None:
    """On a machine that makes a frame, margins aside, twice as fast as it plays and more."""
    pace = Pace(FRAME_S, 24, cost)
    windows = divided(frames, pace)
    ahead = windows[0] * FRAME_S
    for window in windows[1:]:
        ahead -= (window + pace.margin) * cost
        assert ahead >= 0
        ahead += window * FRAME_S


def test_a_fast_machine_begins_with_few_frames_and_goes_on_with_many() -> None:
    assert divided(500, Pace(FRAME_S, 24, 0.0005)) == [FIRST, 111, MOST, MOST, 117]


def test_a_slower_one_begins_with_more() -> None:
    assert FIRST < divided(500, Pace(FRAME_S, 24, 0.004))[0] < 100


def test_one_that_is_too_slow_makes_whole_sentences() -> None:
    assert divided(500, Pace(FRAME_S, 24, 0.012)) == [500]


def test_a_short_rest_has_no_window_of_its_own() -> None:
    assert divided(FIRST + 5, Pace(FRAME_S, 24, 0.0005)) == [FIRST + 5]


def test_the_cost_follows_what_is_measured() -> None:
    pace = Pace(FRAME_S, 24)
    pace.measured(100, 0.1)
    assert pace.cost_s == pytest.approx(0.001)
    for _ in range(50):
        pace.measured(100, 0.2)
    assert pace.cost_s == pytest.approx(0.002, rel=0.01)
