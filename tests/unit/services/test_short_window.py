"""The policy behind short encoder windows: windows, token limits, loops, silence, retries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stt.adapters import short_window as policy
from services.stt.adapters.short_window import Attempt

PLAIN = (5, 9, 2, 7, 4, 1)


def attempt(
    tokens: tuple[int, ...] = PLAIN,
    text: str = "turn on the light please",
    logprob: float = -0.2,
    no_speech: float = 0.05,
    window: float = 12.0,
    limit: int = 50,
) -> Attempt:
    return Attempt(tokens, text, logprob, no_speech, window, limit)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.2, (12.0, 18.0, 30.0)),
        (11.0, (12.0, 18.0, 30.0)),
        (15.0, (16.0, 24.0, 30.0)),
        (20.0, (21.0, 30.0)),
        (29.0, (30.0,)),
    ],
)
def test_windows_grow_with_the_speech_and_end_at_thirty_seconds(seconds: float, expected: tuple[float, ...]) -> None:
    assert policy.windows(seconds) == expected


@given(st.floats(0.1, 29.0))
def test_every_window_holds_the_speech_with_its_margin(seconds: float) -> None:
    ladder = policy.windows(seconds)
    assert ladder == tuple(sorted(set(ladder)))
    assert ladder[0] >= min(30.0, seconds + policy.MARGIN_S) - 1e-9
    assert ladder[0] >= policy.SHORTEST_WINDOW_S
    assert ladder[-1] == policy.FULL_WINDOW_S
    # The encoder halves the frames of 10 ms, so that a window is a whole number of pairs.
    assert all(round(window * 50) == pytest.approx(window * 50) for window in ladder)


def test_the_token_limit_follows_the_speech_and_doubles_with_each_attempt() -> None:
    assert policy.token_limit(2.0) == 22
    assert policy.token_limit(2.0, 1) == 44
    assert policy.token_limit(29.0, 2) == policy.TOKENS_AT_MOST


@pytest.mark.parametrize(
    ("no_speech", "logprob", "silent"),
    [
        (0.95, -1.0, True),  # silence
        (0.97, -0.1, True),  # hum, confidently written as dots
        (0.50, -1.4, True),  # kitchen noise
        (0.52, -0.66, False),  # a single quiet word
        (0.05, -1.3, False),  # an unusual word
    ],
)
def test_silence_is_told_from_speech(no_speech: float, logprob: float, silent: bool) -> None:
    assert policy.is_silent(no_speech, logprob) is silent


@pytest.mark.parametrize(
    ("items", "loop"),
    [
        ("", False),
        ("abcdefgh", False),
        ("aaaa", False),
        ("aaaaa", True),
        ("xababab", False),
        ("xabababab", True),
        ("abcabc", False),
        ("abcabcabc", True),
        ("zzabcdabcd", True),
        ("abcdxabcd", False),
    ],
)
def test_loops_are_found(items: str, loop: bool) -> None:
    assert policy.repeats(items) is loop


def test_loops_are_left_in_once() -> None:
    assert policy.without_loops([1, 2, 3, 3, 3, 3, 3, 3, 4]) == [1, 2, 3, 4]
    assert policy.without_loops([9, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]) == [9, 1, 2, 3, 4]
    assert policy.without_loops([1, 2, 1, 2, 3]) == [1, 2, 1, 2, 3]


@given(st.lists(st.integers(0, 3), max_size=60))
def test_what_is_left_has_no_loop_that_can_be_shortened(tokens: list[int]) -> None:
    kept = policy.without_loops(tokens)
    assert set(kept) == set(tokens)
    assert len(kept) < len(tokens) or not policy.repeats(tokens)


def test_a_good_first_attempt_is_the_last() -> None:
    assert policy.next_window([attempt()], 3.0) is None


@pytest.mark.parametrize(
    "bad",
    [
        attempt(tokens=(7,) * 12),
        attempt(tokens=(1, 2, 3, 4) * 3),
        attempt(tokens=tuple(range(20)), limit=20),
        attempt(text="and then and then " * 12),
    ],
)
def test_a_runaway_asks_for_the_next_longer_window(bad: Attempt) -> None:
    assert policy.is_runaway(bad)
    assert policy.next_window([bad], 3.0) == 18.0


def test_no_window_follows_the_full_one() -> None:
    assert policy.next_window([attempt(tokens=(7,) * 12, window=30.0)], 3.0) is None


def test_doubt_asks_for_the_full_window_but_not_about_a_single_word() -> None:
    assert policy.next_window([attempt(logprob=-0.9)], 3.0) == 30.0
    assert policy.next_window([attempt(tokens=(5, 9), text="louder", logprob=-0.9)], 3.0) is None


def test_silence_is_not_tried_again() -> None:
    assert policy.next_window([attempt(tokens=(7,) * 12, no_speech=0.9)], 3.0) is None


def test_a_repetition_heard_twice_alike_is_believed() -> None:
    said = attempt(tokens=(1, 2, 3, 4, 1, 2, 3, 4), text="stop the music stop the music")
    again = attempt(tokens=said.tokens, text=said.text, window=18.0)
    assert policy.next_window([said], 3.0) == 18.0
    assert policy.next_window([said, again], 3.0) is None
    assert policy.best([said, again]) is again


def test_the_surest_attempt_without_a_loop_is_chosen() -> None:
    loop = attempt(tokens=(7,) * 12, logprob=-0.05, text="a")
    unsure = attempt(logprob=-0.8, window=18.0, text="b")
    sure = attempt(logprob=-0.3, window=30.0, text="c")
    assert policy.best([loop, unsure, sure]) is sure
    assert policy.best([unsure, loop]) is unsure
    assert policy.best([loop]) is loop
