"""Histories of talks: whose, how long, how many."""

from __future__ import annotations

from services.conversation.talks import MOST_EXCHANGES, MOST_TALKS, Talks


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def said(talks: Talks, name: str) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in talks.history(name)]


def test_a_new_talk_has_no_history() -> None:
    assert Talks(300).history("kitchen") == ()


def test_is_told_oldest_first() -> None:
    talks = Talks(300)
    talks.remember("kitchen", "one?", "One.")
    talks.remember("kitchen", "two?", "Two.")
    assert said(talks, "kitchen") == [("user", "one?"), ("assistant", "One."), ("user", "two?"), ("assistant", "Two.")]


def test_talks_do_not_know_each_other() -> None:
    talks = Talks(300)
    talks.remember("kitchen", "one?", "One.")
    assert talks.history("bath") == ()


def test_ends_in_silence() -> None:
    clock = Clock()
    talks = Talks(300, clock)
    talks.remember("kitchen", "one?", "One.")
    clock.now += 300
    assert len(talks.history("kitchen")) == 2
    clock.now += 1
    assert talks.history("kitchen") == ()
    clock.now -= 300
    assert talks.history("kitchen") == ()  # once forgotten it does not come back


def test_goes_on_while_it_goes_on() -> None:
    clock = Clock()
    talks = Talks(300, clock)
    for _ in range(10):
        talks.remember("kitchen", "more?", "More.")
        clock.now += 299
    assert len(talks.history("kitchen")) == 20


def test_asking_for_it_does_not_keep_it_alive() -> None:
    clock = Clock()
    talks = Talks(300, clock)
    talks.remember("kitchen", "one?", "One.")
    for _ in range(4):
        clock.now += 100
        talks.history("kitchen")
    assert talks.history("kitchen") == ()


def test_begins_afresh_after_silence() -> None:
    clock = Clock()
    talks = Talks(300, clock)
    talks.remember("kitchen", "old?", "Old.")
    clock.now += 301
    talks.remember("kitchen", "new?", "New.")
    assert said(talks, "kitchen") == [("user", "new?"), ("assistant", "New.")]


def test_keeps_the_last_exchanges() -> None:
    talks = Talks(300)
    for number in range(MOST_EXCHANGES + 5):
        talks.remember("kitchen", f"{number}?", f"{number}.")
    history = said(talks, "kitchen")
    assert len(history) == 2 * MOST_EXCHANGES
    assert history[0] == ("user", "5?")


def test_the_talk_unused_for_longest_makes_room() -> None:
    talks = Talks(300)
    for number in range(MOST_TALKS):
        talks.remember(f"talk {number}", "?", ".")
    talks.remember("talk 0", "?", ".")
    talks.remember("one more", "?", ".")
    assert talks.history("talk 1") == ()
    assert talks.history("talk 0") != ()
    assert talks.history("one more") != ()
