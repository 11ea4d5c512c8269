"""Spoken questions to measure with: made with the packaged voice, so that anybody can make them again."""

from __future__ import annotations

from tests.contract.speech import say

TEXTS = (
    "What is the capital of France?",
    "How many days are there in a week?",
    "Tell me a short story about a cat.",
    "Why is the sky blue?",
    "What can I cook with eggs and potatoes?",
    "Who wrote Romeo and Juliet?",
    "Give me three names for a small dog.",
    "What is the largest animal in the world?",
    "How do I make a cup of tea?",
    "What should I wear when it is cold outside?",
)


def questions() -> list[tuple[str, bytes]]:
    """(text, s16le mono 16 kHz with 0.3 s of silence in front and behind)."""
    silence = bytes(9600)
    return [(text, silence + say(text) + silence) for text in TEXTS]
