"""Whether words sound finished."""

from __future__ import annotations

import pytest

from services.conversation.finished import is_finished


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of France?",
        "Tell me one fact about the moon.",
        "Yes.",
        "No!",
        "What is it?",
        "Turn it off.",
        "What?",
        "Can you tell me what the weather is usually like in Lisbon in October?",
    ],
)
def test_whole_sentences(text: str) -> None:
    assert is_finished(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "What could I cook with rice,",
        "I would like the.",
        "Remind me to",
        "So I was...",
        "Tell me about the",
        "Uh.",
        "and",
    ],
)
def test_what_goes_on(text: str) -> None:
    assert is_finished(text) is False


@pytest.mark.parametrize("text", ["", "   ", "turn the lights off", "ten minutes"])
def test_nobody_can_tell(text: str) -> None:
    assert is_finished(text) is None
