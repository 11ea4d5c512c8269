"""Text cut into what can be spoken: early, at sensible places, and nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.conversation.clauses import FIRST_WORDS, MOST_CHARS, Clauses, speakable


def cut(text: str, size: int = 1) -> list[str]:
    clauses = Clauses()
    ready: list[str] = []
    for start in range(0, len(text), size):
        ready += clauses.feed(text[start : start + size])
    return ready + clauses.flush()


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("   \n ", []),
        ("Paris.", ["Paris."]),
        ("Sure, here you are. It rains.", ["Sure,", "here you are.", "It rains."]),
        ("Paris is the capital. It is big, old and loud.", ["Paris is the capital.", "It is big, old and loud."]),
        ("One two three four five six seven eight nine.", ["One two three four five", "six seven eight nine."]),
        ("There once was an old man of the sea.", ["There once was an old", "man of the sea."]),
        ("The tallest mountain on the planet is high.", ["The tallest mountain on the planet", "is high."]),
        ("It is what it is as it is and so is it to us.", ["It is what it is as it is", "and so is it to us."]),
        ("The capital of France is Paris. Yes.", ["The capital of France is Paris.", "Yes."]),
        ("So, at 5 p.m. we eat. At 6 p.m. We sleep.", ["So,", "at 5 p.m. we eat.", "At 6 p.m.", "We sleep."]),
        ("Well, apples, pears etc. are fruit. Plums etc.", ["Well,", "apples, pears etc. are fruit.", "Plums etc."]),
        ("Here: **so.** And *so.* Yes.", ["Here:", "so.", "And so.", "Yes."]),
        ("Run this:\n```python\nprint(1)\n```\nDone. Bye.", ["Run this:", "Done.", "Bye."]),
        ("Run `ls`. ```\nnever closed. at all", ["Run ls."]),
        ("Here:\n| a | b |\n|---|---|\n| c | d |\n", ["Here:", "a, b", "c, d"]),
        ("Well, 2*3 is snake_case, a > b. Yes.", ["Well,", "2*3 is snake_case, a > b.", "Yes."]),
        ("It is 3.14, or so. Yes.", ["It is 3.14,", "or so.", "Yes."]),
        ("Well, Dr. Smith lives in St. Ives. Yes.", ["Well,", "Dr. Smith lives in St. Ives.", "Yes."]),
        ("Well, e.g. this, i.e. that. Yes.", ["Well,", "e.g. this, i.e. that.", "Yes."]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ('"Yes." "No."', ['"Yes."', '"No."']),
        ("- one\n- two\n", ["- one", "- two"]),
        ("Wait… no. Yes.", ["Wait…", "no.", "Yes."]),
        ("**Paris** is `big`.", ["Paris is big."]),
        ("See [the page](http://x.y/z?a=b), then.", ["See the page,", "then."]),
        ("Hello 👋🏽, friend ❤️.", ["Hello ,", "friend ."]),
        ("...", []),
        ("🙂🙂🙂", []),
        ("1. First. 2. Second.", ["1. First.", "2. Second."]),
    ],
)
def test_cuts(text: str, pieces: list[str]) -> None:
    assert cut(text) == pieces


def test_the_first_comes_as_soon_as_it_can() -> None:
    clauses = Clauses()
    assert clauses.feed("Sure,") == []  # "3,5" may follow
    assert clauses.feed(" ") == ["Sure,"]


def test_the_first_does_not_wait_for_punctuation() -> None:
    clauses = Clauses()
    words = [f"word{number} " for number in range(FIRST_WORDS)]
    assert [clauses.feed(word) for word in words[:-1]] == [[]] * (FIRST_WORDS - 1)
    assert len(clauses.feed(words[-1])) == 1


def test_later_ones_are_whole_sentences() -> None:
    clauses = Clauses()
    clauses.feed("Sure, ")
    assert clauses.feed("one two, three four five six seven eight nine ten eleven, ") == []
    assert clauses.feed("twelve. ") == ["one two, three four five six seven eight nine ten eleven, twelve."]


def test_a_sentence_without_end_is_cut_between_words() -> None:
    pieces = cut("Sure, " + "word " * 500)
    assert all(len(piece) <= MOST_CHARS for piece in pieces)
    assert all(re.fullmatch(r"(word ?)+", piece) for piece in pieces[1:])
    assert "".join(pieces).count("word") == 500


def test_so_is_a_word_without_end() -> None:
    pieces = cut("Sure, " + "x" * 1000)
    assert all(len(piece) <= MOST_CHARS for piece in pieces)
    assert "".join(pieces).count("x") == 1000


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="*_`#>|~[]()"), max_size=600))
def test_nothing_is_lost_and_nothing_is_added(text: str) -> None:
    def letters(pieces: str) -> str:
        return "".join(re.findall(r"\w", pieces))

    assert letters(" ".join(cut(text))) == letters(text)


@given(st.text(max_size=400), st.integers(min_value=1, max_value=50))
def test_however_it_comes_every_piece_can_be_spoken(text: str, size: int) -> None:
    for piece in cut(text, size):
        assert re.search(r"\w", piece)
        assert "\n" not in piece
        assert piece == piece.strip()


@given(st.text(alphabet="ab ,.\n", max_size=200), st.integers(min_value=1, max_value=9))
def test_the_size_of_the_pieces_fed_changes_no_sentence(text: str, size: int) -> None:
    """Only the first one may come earlier when it comes word by word."""
    assert "".join("".join(cut(text, size)).split()) == "".join("".join(cut(text, 1)).split())


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("# Title", "Title"),
        ("> quoted", "quoted"),
        ("~~gone~~", "gone"),
        ("a\n\n  b\tc", "a b c"),
        ("[text](url)", "text"),
        ("![picture](url)", "!picture"),
        ("--- * ---", ""),
        ("❤️", ""),
    ],
)
def test_speakable(text: str, plain: str) -> None:
    assert speakable(text) == plain
