"""Words that two looks agree on are committed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.conversation.partials import Agreement


def test_committed_when_two_looks_agree() -> None:
    looks = Agreement()
    assert looks.take("what is") == ("", "what is")
    assert looks.take("What is the cap") == ("What is", "the cap")
    assert looks.take("What is the capital of") == ("What is the", "capital of")


def test_what_is_committed_is_not_taken_back() -> None:
    looks = Agreement()
    looks.take("what is the time")
    assert looks.take("what is the time in")[0] == "what is the time"
    assert looks.take("watch this") == ("what is the time", "")
    assert looks.take("what is the time in Paris now")[0] == "what is the time"


def test_the_last_word_may_be_half_of_one() -> None:
    looks = Agreement()
    looks.take("set a time")
    assert looks.take("set a time") == ("set a", "time")


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c,", "D"]), max_size=6), max_size=12))
def test_committed_only_grows(looks: list[list[str]]) -> None:
    agreement = Agreement()
    before: list[str] = []
    for look in looks:
        committed = agreement.take(" ".join(look))[0].split()
        plain = [word.strip(",").lower() for word in committed]
        assert plain[: len(before)] == before
        before = plain
