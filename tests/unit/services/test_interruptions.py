"""What speech over an answer was, by its words."""

from __future__ import annotations

import pytest

from services.conversation.interruptions import decide
from services.messages.turntaking import Verdict

SAYING = "Paris is the capital of France. It lies on the Seine."


@pytest.mark.parametrize("text", ["Stop.", "Wait, wait.", "No, I meant Germany.", "Never mind.", "be quiet please"])
def test_who_wants_silence_gets_it(text: str) -> None:
    assert decide(text, True, SAYING) == (Verdict.INTERRUPT, "stop")


@pytest.mark.parametrize("text", ["And what about Germany?", "What is the", "Tell me"])
def test_who_wants_to_speak_is_listened_to(text: str) -> None:
    assert decide(text, True, SAYING) == (Verdict.INTERRUPT, "speech")


@pytest.mark.parametrize("text", ["Mhm.", "Yeah, right.", "Oh, okay.", "I see."])
def test_listeners_make_sounds(text: str) -> None:
    assert decide(text, False, SAYING) == (Verdict.RESUME, "backchannel")


@pytest.mark.parametrize("text", ["the capital of France", "It lies on the sane.", "capital of Frans it lies"])
def test_its_own_voice_is_no_speaker(text: str) -> None:
    assert decide(text, True, SAYING) == (Verdict.RESUME, "echo")


@pytest.mark.parametrize(
    ("text", "speaking", "why"), [("", True, "no words"), ("", False, "silence"), ("...", False, "silence")]
)
def test_noise_is_nothing(text: str, speaking: bool, why: str) -> None:
    assert decide(text, speaking, SAYING) == (Verdict.RESUME, why)


def test_short_words_are_no_echo() -> None:
    """`is` stands in what is being said, and is how a question begins."""
    assert decide("Is", True, SAYING) == (Verdict.INTERRUPT, "speech")
