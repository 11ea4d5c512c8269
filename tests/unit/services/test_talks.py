"""Histories of talks: whose, how long, how many."""

from __future__ import annotations

from services.conversation.talks import MOST_EXCHANGES, MOST_TALKS, STEP, Absent, Talk, Talks


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def said(talks: Talks, name: str) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in talks.history("anna", name)]


def test_a_new_talk_has_no_history() -> None:
    assert Talks(300).history("anna", "kitchen") == ()


def test_is_told_oldest_first() -> None:
    talks = Talks(300)
    talks.remember("anna", "kitchen", "one?", "One.")
    talks.remember("anna", "kitchen", "two?", "Two.")
    assert said(talks, "kitchen") == [("user", "one?"), ("assistant", "One."), ("user", "two?"), ("assistant", "Two.")]


def test_talks_do_not_know_each_other() -> None:
    talks = Talks(300)
    talks.remember("anna", "kitchen", "one?", "One.")
    assert talks.history("anna", "bath") == ()


def test_ends_in_silence() -> None:
    clock = Clock()
    talks = Talks(300, clock)
    talks.remember("anna", "kitchen", "one?", "One.")
    clock.now += 300
    assert len(talks.history("anna", "kitchen")) == 2
    clock.now += 1
    assert talks.history("anna", "kitchen") == ()
    clock.now -= 300
    assert talks.history("anna", "kitchen") == ()  # once forgotten it does not come back


def test_goes_on_while_it_goes_on() -> None:
    clock = Clock()
    talks = Talks(300, clock)
    for _ in range(10):
        talks.remember("anna", "kitchen", "more?", "More.")
        clock.now += 299
    assert len(talks.history("anna", "kitchen")) == 20


def test_asking_for_it_does_not_keep_it_alive() -> None:
    clock = Clock()
    talks = Talks(300, clock)
    talks.remember("anna", "kitchen", "one?", "One.")
    for _ in range(4):
        clock.now += 100
        talks.history("anna", "kitchen")
    assert talks.history("anna", "kitchen") == ()


def test_begins_afresh_after_silence() -> None:
    clock = Clock()
    talks = Talks(300, clock)
    talks.remember("anna", "kitchen", "old?", "Old.")
    clock.now += 301
    talks.remember("anna", "kitchen", "new?", "New.")
    assert said(talks, "kitchen") == [("user", "new?"), ("assistant", "New.")]


def test_keeps_the_last_exchanges_and_counts_the_others() -> None:
    talks = Talks(300)
    for number in range(MOST_EXCHANGES):
        talks.remember("anna", "kitchen", f"{number}?", f"{number}.")
    assert talks.absent("anna", "kitchen") == Absent()
    starts = []
    for number in range(MOST_EXCHANGES, MOST_EXCHANGES + STEP + 1):
        talks.remember("anna", "kitchen", f"{number}?", f"{number}.")
        history = said(talks, "kitchen")
        assert len(history) <= 2 * MOST_EXCHANGES
        assert history[-1] == ("assistant", f"{number}.")
        starts.append(history[0])
    assert starts == [("user", f"{STEP}?")] * STEP + [("user", f"{2 * STEP}?")]  # in steps
    assert talks.absent("anna", "kitchen") == Absent(gone=4 * STEP)


def test_profiles_do_not_know_each_others_talks() -> None:
    talks = Talks(300)
    talks.remember("anna", "default", "one?", "One.")
    assert talks.history("ben", "default") == ()
    assert talks.is_new("ben", "default")
    talks.take_up("ben", "default", [("two?", "Two.")])
    assert [message.content for message in talks.history("anna", "default")] == ["one?", "One."]


class TestSummary:
    def talk(self, exchanges: int) -> tuple[Talks, Talk]:
        talks = Talks(300)
        for number in range(exchanges):
            talks.remember("anna", "kitchen", f"{number}?", f"{number}.")
        talk = talks.find("anna", "kitchen")
        assert talk is not None
        return talks, talk

    def test_it_stands_before_what_is_left(self) -> None:
        talks, talk = self.talk(4)
        talk.summarise("Of 0 and 1.", 0, 2)
        assert said(talks, "kitchen") == [
            ("system", "Summary of this conversation so far: Of 0 and 1."),
            ("user", "2?"), ("assistant", "2."), ("user", "3?"), ("assistant", "3."),
        ]  # fmt: skip
        assert talks.absent("anna", "kitchen") == Absent(summarised=4)

    def test_the_next_one_takes_its_place(self) -> None:
        talks, talk = self.talk(4)
        talk.summarise("First.", 0, 2)
        talk.summarise("Second.", talk.left, 1)
        assert [content for _, content in said(talks, "kitchen")][1:] == ["3?", "3."]
        assert "Second." in said(talks, "kitchen")[0][1]
        assert talks.absent("anna", "kitchen") == Absent(summarised=6)

    def test_what_left_while_it_was_made_is_not_lost(self) -> None:
        talks, talk = self.talk(MOST_EXCHANGES)
        talks.remember("anna", "kitchen", "more?", "More.")  # the oldest five leave
        assert talks.absent("anna", "kitchen") == Absent(gone=2 * STEP)
        talk.summarise("Of ten.", 0, 10)
        assert talks.absent("anna", "kitchen") == Absent(summarised=20)
        assert said(talks, "kitchen")[1] == ("user", "10?")

    def test_all_of_it_may_have_left(self) -> None:
        talks, talk = self.talk(MOST_EXCHANGES)
        for number in range(STEP + 1):
            talks.remember("anna", "kitchen", f"more {number}?", "More.")
        talk.summarise("Of three.", 0, 3)
        assert talks.absent("anna", "kitchen") == Absent(summarised=6, gone=4 * STEP - 6)
        assert said(talks, "kitchen")[1] == ("user", f"{2 * STEP}?")


def test_one_begun_afresh_has_no_history_and_counts_as_used() -> None:
    talks = Talks(300)
    talks.remember("anna", "kitchen", "one?", "One.")
    talks.begin_afresh("anna", "kitchen")
    talks.take_up("anna", "kitchen", [("one?", "One.")])
    assert talks.history("anna", "kitchen") == () and talks.last_answer("anna", "kitchen") == ""
    for number in range(MOST_TALKS):
        talks.begin_afresh("anna", str(number))
    assert talks.is_new("anna", "kitchen") and not talks.is_new("anna", "0")


def test_the_talk_unused_for_longest_makes_room() -> None:
    talks = Talks(300)
    for number in range(MOST_TALKS):
        talks.remember("anna", f"talk {number}", "?", ".")
    talks.remember("anna", "talk 0", "?", ".")
    talks.remember("anna", "one more", "?", ".")
    assert talks.history("anna", "talk 1") == ()
    assert talks.history("anna", "talk 0") != ()
    assert talks.history("anna", "one more") != ()
