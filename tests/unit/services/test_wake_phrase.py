"""The wake word off the front of what was heard, however the transcript spells it, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.conversation.wake_phrase import strip_wake_phrase


@pytest.mark.parametrize(
    ("text", "word", "rest"),
    [
        ("Alexa, what time is it?", "alexa", "What time is it?"),
        ("Alexa what time is it?", "alexa", "What time is it?"),
        ("A Lexa, what time is it?", "alexa", "What time is it?"),
        ("Okay, Nabu. What time is it?", "okay_nabu", "What time is it?"),
        ("OK, Naboo, what time is it?", "okay_nabu", "What time is it?"),
        ("Ok Nabu what time is it?", "okay_nabu", "What time is it?"),
        ("Hey Jarvis, turn it off.", "hey_jarvis", "Turn it off."),
        ("Hey, Jarvis! Turn it off.", "hey_jarvis", "Turn it off."),
        ("Hey Mycroft - play music", "hey_mycroft", "Play music"),
        ("So, Alexa, what time is it?", "alexa", "What time is it?"),
        ("Alexa", "alexa", ""),
        ("Alexa.", "alexa", ""),
        ("", "alexa", ""),
        ("...", "alexa", "..."),
        # Nothing like it at the front: as it stands.
        ("What time is it?", "alexa", "What time is it?"),
        ("what time is it, Alexa?", "alexa", "what time is it, Alexa?"),
        ("Tell me about the film.", "hey_jarvis", "Tell me about the film."),
        ("wie spät ist es?", "okay_nabu", "wie spät ist es?"),
    ],
)
def test_is_taken_off(text: str, word: str, rest: str) -> None:
    assert strip_wake_phrase(text, word) == rest


@given(st.text(), st.sampled_from(["alexa", "okay_nabu", "hey_jarvis", ""]))
def test_the_rest_is_the_end_of_the_text(text: str, word: str) -> None:
    rest = strip_wake_phrase(text, word)
    assert rest == text or text.casefold().endswith(rest.casefold())
