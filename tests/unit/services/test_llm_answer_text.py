"""Text leaves a language model in whole characters and without its stop string."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.llm.adapters.answer_text import AnswerText


def test_characters_come_whole() -> None:
    text = AnswerText()
    dog = "🐕".encode()
    assert [text.add(dog[i : i + 1]) for i in range(4)] == ["", "", "", "🐕"]


def test_an_unfinished_character_is_dropped_at_the_end() -> None:
    text = AnswerText()
    assert text.add("né".encode()[:-1]) + text.rest() == "n"


def test_a_stop_string_across_pieces_is_not_said() -> None:
    text = AnswerText(["END"])
    assert [text.add(piece) for piece in (b"one E", b"N", b"D two")] == ["one ", "", ""]
    assert text.stopped and text.rest() == ""


def test_a_beginning_of_a_stop_string_is_said_once_it_is_none() -> None:
    text = AnswerText(["END"])
    assert [text.add(piece) for piece in (b"an EN", b"VOY E")] == ["an ", "ENVOY "]
    assert text.rest() == "E" and not text.stopped


def test_the_first_of_several_stop_strings_counts() -> None:
    text = AnswerText(["two", "one"])
    assert text.add(b"zero one two") == "zero "


def test_a_repetitive_stop_string() -> None:
    text = AnswerText(["aab"])
    assert "".join(text.add(piece) for piece in (b"a", b"a", b"a", b"a", b"b")) == "aa"
    assert text.stopped


def test_a_skipped_blank_is_skipped_once_and_only_at_the_beginning() -> None:
    text = AnswerText(skip=" ")
    assert [text.add(piece) for piece in (b" one", b" two")] == ["one", " two"]
    assert AnswerText(skip=" ").add(b"one") == "one"


@given(st.text(max_size=30), st.lists(st.text("ab", min_size=1, max_size=3), max_size=3), st.data())
def test_pieces_make_no_difference(whole: str, stop: list[str], data: st.DataObject) -> None:
    raw = whole.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    text, said = AnswerText(stop), ""
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        if not text.stopped:
            said += text.add(raw[start:end])
    said += text.rest()
    ends = [whole.index(mark) for mark in stop if mark in whole]
    assert text.stopped == bool(ends)
    # Two stop strings may end in different pieces: the one complete first counts, wherever the other began.
    assert whole.startswith(said)
    if len(ends) <= 1:
        assert said == whole[: min(ends, default=len(whole))]
