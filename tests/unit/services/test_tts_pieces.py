"""Text cut for a voice: nothing is lost, nothing is too long, and only long sentences are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.adapters.pieces import sayable, sentences, short_enough


@pytest.mark.parametrize("text", ["", "  ", "...", "?!", "😀", "—", "\x00\x07", "\ud83d"])
def test_nothing_to_say(text: str) -> None:
    assert sayable(text) == ""
    assert sentences(sayable(text)) == []


@pytest.mark.parametrize(
    ("text", "said"), [("a\x00b", "a b"), (" Hi\ud83d ", "Hi"), ("😀 5", "😀 5"), ("naïve", "naïve")]
)
def test_what_cannot_be_said_is_left_out(text: str, said: str) -> None:
    assert sayable(text) == said


def test_a_text_of_short_sentences_stays_whole() -> None:
    text = "It is 3.5 degrees. " * 30
    assert short_enough(text) == [text.strip()]


def test_a_long_sentence_is_cut_after_a_clause_or_between_words() -> None:
    clauses = short_enough("one two three, four five six, seven eight nine ten eleven", 32)
    assert clauses == ["one two three, four five six,", "seven eight nine ten eleven"]
    assert short_enough("alpha beta gamma delta", 12) == ["alpha beta", "gamma delta"]


@given(st.text(alphabet="ab ,.!\n", max_size=400), st.integers(8, 50))
def test_nothing_is_lost_and_no_sentence_is_too_long(text: str, longest: int) -> None:
    pieces = short_enough(text, longest)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    for piece in pieces:
        for stretch in piece.replace("\n\n", ". ").replace("! ", ". ").split(". "):
            if not set(stretch) & set(".!\n"):
                assert len(stretch.strip()) <= longest


def test_sentences_are_told_apart() -> None:
    assert sentences("One. Two! Three?\n... Four") == ["One.", "Two!", "Three?", "Four"]
