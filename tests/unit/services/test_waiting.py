"""The wait in a silence, learnt from a speaker's own pauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audio.waiting import LearntWait, WaitBounds

BOUNDS = WaitBounds(first=480, least=320, most=1200)


def test_before_anything_was_learnt() -> None:
    assert LearntWait(BOUNDS).ms == pytest.approx(480)


def test_fluent_speakers_are_answered_sooner() -> None:
    wait = LearntWait(BOUNDS)
    for _ in range(20):
        wait.fluent()
    assert wait.ms == pytest.approx(320)


def test_who_pauses_long_is_waited_for() -> None:
    wait = LearntWait(BOUNDS)
    for silence in (600, 700, 650, 800, 620) * 3:
        wait.paused(silence)
    assert 700 < wait.ms <= 1200


def test_one_cut_off_is_enough() -> None:
    wait = LearntWait(BOUNDS)
    wait.cut_off(700)
    assert wait.ms >= 700


@given(st.lists(st.tuples(st.sampled_from(["paused", "cut_off", "fluent"]), st.floats(0, 30_000)), max_size=50))
def test_always_within_its_bounds(story: list[tuple[str, float]]) -> None:
    wait = LearntWait(BOUNDS)
    for what, silence in story:
        if what == "fluent":
            wait.fluent()
        else:
            getattr(wait, what)(silence)
        assert 320 <= wait.ms <= 1200
