"""The measure itself: what counts as a wrong word, a lost word, a slot found."""

from __future__ import annotations

import pytest

from tests.bench.stt_scores import errors, found, lost_ends, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Set a timer for 10 minutes!", ["set", "a", "timer", "for", "ten", "minutes"]),
        ("It's 1,200 o'clock.", ["its", "one", "thousand", "two", "hundred", "oclock"]),
        ("twenty-four", ["twenty", "four"]),
        ("5%", ["five", "percent"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [("a b c", "a b c", 0), ("a b c", "a c", 1), ("a b c", "a x c", 1), ("a b c", "a b b c", 1), ("a b c", "", 3)],
)
def test_errors(said: str, heard: str, wrong: int) -> None:
    assert errors(said.split(), heard.split()) == wrong


@pytest.mark.parametrize(
    ("said", "heard", "lost"),
    [
        ("play the next song", "play the next song", 0),
        ("play the next song", "played the next song", 0),
        ("play the next song", "the next song", 1),
        ("play the next song", "play the next", 1),
        ("play the next song", "the next", 2),
        ("play the next song", "play next song", 0),
        ("stop", "", 1),
        ("stop now", "", 2),
    ],
)
def test_lost_ends(said: str, heard: str, lost: int) -> None:
    assert lost_ends(said.split(), heard.split()) == lost


def test_a_slot_is_found_as_a_whole() -> None:
    heard = words("A 12-ounce iced mocha, please")
    assert found("twelve ounce", heard) and found(" iced mocha", heard)
    assert not found("iced please", heard)
