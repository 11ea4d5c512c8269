"""Sentences that nobody said, and the same ones said."""

from __future__ import annotations

import pytest

from services.stt.adapters.phrases import is_invented


@pytest.mark.parametrize(
    ("text", "avg_logprob", "no_speech", "invented"),
    [
        ("Thanks for watching!", -0.9, 0.1, True),
        ("Thank you.", -0.2, 0.5, True),
        ("Thank you.", -0.2, 0.02, False),
        ("[Music]", -0.8, 0.4, True),
        ("(applause)", -0.1, 0.9, True),
        ("Subtitles by the Amara.org community", -0.6, 0.0, True),
        ("you", -1.2, 0.0, True),
        ("You should thank you for watching.", -1.2, 0.5, False),
        ("Turn off the light.", -1.2, 0.5, False),
        ("", -2.0, 0.9, False),
    ],
)
def test_is_invented(text: str, avg_logprob: float, no_speech: float, invented: bool) -> None:
    assert is_invented(text, avg_logprob, no_speech) is invented
