"""Sentences that nobody said, and the same ones said."""

from __future__ import annotations

import pytest

from services.stt.adapters.phrases import is_invented


@pytest.mark.parametrize(
    ("text", "doubt", "invented"),
    [
        ("Thanks for watching!", 0.9, True),
        ("Thank you.", 0.6, True),
        ("Thank you.", 0.34, False),
        ("[Music]", 0.8, True),
        ("(applause)", 0.9, True),
        ("Subtitles by the Amara.org community", 0.6, True),
        ("you", 1.2, True),
        ("You should thank you for watching.", 1.2, False),
        ("Turn off the light.", 1.2, False),
        ("", 2.0, False),
    ],
)
def test_is_invented(text: str, doubt: float, invented: bool) -> None:
    assert is_invented(text, doubt) is invented
