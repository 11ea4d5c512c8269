"""Turns that begin in a pause: told, spoken and done only once it was the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.conversation.talks import Talks
from services.messages.announcing import Announce
from services.messages.audio import DescribeSources, SourceState
from services.messages.conversation import AnswerGrew, Ask, QuestionHeard, TurnFinished, TurnStarted
from services.messages.invariants import CancelTurn
from services.messages.profiles import OWNER
from services.messages.skills import MatchSkill, RunSkill, SkillMatch, SkillReply
from services.messages.turntaking import (
    AnswerAwaited,
    JudgeInterruption,
    PauseJudged,
    Speculated,
    SpeechGrew,
    SpeechResumed,
    TranscriptGrew,
    Verdict,
)
from solo.bus import Bus, DeadlineExceeded
from solo.supervision import Context, ServiceSpec, State
from tests.stubs.cast import ANSWER, RATE, Cast, stage
from tests.stubs.services import spec
from tests.unit.services.test_turn import EVERYTHING, conversation, pause, utterance

pytestmark = pytest.mark.virtual_time


async def finished(cast: Cast, count: int = 1) -> None:
    async with asyncio.timeout(100):
        while len(cast.of(TurnFinished)) < count:
            await asyncio.sleep(0.01)


def resumed() -> SpeechResumed:
    return SpeechResumed(source="kitchen", utterance="kitchen-1", silence_s=0.3)


class TestInThePause:
    async def test_nobody_learns_of_it_before_it_is_decided(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1))
            await asyncio.sleep(5)
            assert cast.spoken == ["Sure,"]
            assert cast.played == []
            for kind in (TurnStarted, QuestionHeard, AnswerGrew, TurnFinished):
                assert cast.of(kind) == []
            bus.publish(utterance(pause=1))
            await finished(cast)
        assert cast.pieces() == EVERYTHING
        story = [type(fact) for fact in cast.facts if isinstance(fact, TurnStarted | QuestionHeard | TurnFinished)]
        assert story == [TurnStarted, QuestionHeard, TurnFinished]
        assert len(cast.asked) == len(cast.transcribed) == 1

    async def test_its_sound_is_there_when_it_is_decided(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1))
            await asyncio.sleep(5)
            bus.publish(utterance(pause=1))
            await finished(cast)
        latency = cast.summary.latency_ms
        assert latency.end_of_turn == pytest.approx(500, abs=1)
        assert latency.voice_to_voice == pytest.approx(500, abs=1)
        (speculated,) = cast.of(Speculated)
        assert (speculated.hit, speculated.saved_ms) == (True, pytest.approx(5000, abs=1))

    @pytest.mark.parametrize("at", [0.1, 0.25, 0.45, 2.0])
    async def test_speech_that_goes_on_leaves_no_trace(self, bus: Bus, at: float) -> None:
        cast = Cast(bus)
        talks = Talks(300)
        async with stage(cast, conversation(talks)) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1))
            await asyncio.sleep(at)
            bus.publish(resumed())
            await asyncio.sleep(5)
            assert cast.of(TurnStarted) == cast.of(TurnFinished) == []
            bus.publish(pause(2))
            bus.publish(utterance(pause=2))
            await finished(cast)
        assert (cast.summary.outcome, cast.pieces()) == ("answered", EVERYTHING)
        assert [one.hit for one in cast.of(Speculated)] == [False, True]
        assert len(talks.history(OWNER, "family")) == 2

    async def test_dropped_before_it_begins_it_leaves_no_task(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1))
            bus.publish(resumed())
            await asyncio.sleep(5)
            assert [task.get_name() for task in asyncio.all_tasks() if "judging" in task.get_name()] == []
            assert cast.asked == []

    async def test_decided_too_soon_the_whole_question_is_answered(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1))
            bus.publish(utterance(pause=1))
            await asyncio.sleep(0.1)
            bus.publish(resumed())
            await asyncio.sleep(1)
            bus.publish(pause(2))
            bus.publish(utterance(pause=2))
            await finished(cast, 2)
        assert [fact.summary.outcome for fact in cast.of(TurnFinished)] == ["continued", "answered"]
        assert {fact.summary.utterance for fact in cast.of(TurnFinished)} == {"kitchen-1"}

    async def test_one_that_pauses_often_is_only_transcribed(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            for number in range(1, 7):
                bus.publish(pause(number))
                await asyncio.sleep(0.5)
                bus.publish(resumed())
            await asyncio.sleep(1)
        assert len(cast.asked) == 3

    @pytest.mark.parametrize(
        ("transcript", "wait_ms"),
        [("What is the time?", 200.0), ("What could I cook with rice,", 900.0), ("lights off", None)],
    )
    async def test_its_words_say_how_long_to_wait(self, bus: Bus, transcript: str, wait_ms: float | None) -> None:
        cast = Cast(bus, transcript=transcript)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1))
            await asyncio.sleep(1)
        judged = [(one.wait_ms, one.by, one.pause) for one in cast.of(PauseJudged)]
        assert judged == ([] if wait_ms is None else [(wait_ms, "words", 1)])

    async def test_draining_drops_what_was_only_guessed(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1))
            await asyncio.sleep(0.3)
            house.stop.set()
            async with asyncio.timeout(30):
                await asyncio.shield(house.task)
        assert cast.of(TurnFinished) == []


class TestInterrupted:
    async def test_history_holds_what_was_heard(self, bus: Bus) -> None:
        cast = Cast(bus, heard_s=21 * 3 / RATE)
        talks = Talks(300)
        async with stage(cast, conversation(talks)) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            while len(cast.played) < 6:
                await asyncio.sleep(0.05)
            asked, cast.transcript = cast.transcript, "And Germany?"
            found = await bus.request(JudgeInterruption(source="kitchen", pcm=b"", speaking=True), within=5)
            await finished(cast)
        assert found.verdict is Verdict.INTERRUPT
        heard = [message.content for message in talks.history(OWNER, "family")]
        assert heard[0] == asked
        assert heard[1] == cast.summary.said
        assert heard[1].startswith("Sure, Paris")
        assert "Seine" not in heard[1]
        assert cast.summary.outcome == "cancelled"

    async def test_a_sound_of_agreement_ends_nothing(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await asyncio.sleep(1)
            cast.transcript = "Mhm."
            found = await bus.request(JudgeInterruption(source="kitchen", pcm=b"", speaking=False), within=5)
            await finished(cast)
        assert (found.verdict, found.why) == (Verdict.RESUME, "backchannel")
        assert cast.summary.outcome == "answered"

    @pytest.mark.parametrize(("said", "outcome"), [("Stop.", "cancelled"), ("Germany?", "answered")])
    async def test_understood_too_late_stop_still_stops(self, bus: Bus, said: str, outcome: str) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await asyncio.sleep(1)
            cast.transcript, cast.transcript_s = said, 0.8
            with pytest.raises(DeadlineExceeded):
                await bus.request(JudgeInterruption(source="kitchen", pcm=b"", speaking=False), within=0.3)
            await finished(cast)
        assert cast.summary.outcome == outcome

    async def test_by_its_id(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await asyncio.sleep(0.5)
            (started,) = cast.of(TurnStarted)
            assert await bus.request(CancelTurn(cancelled_turn=started.turn_id), within=1)
            await finished(cast)
            assert not await bus.request(CancelTurn(cancelled_turn="another"), within=1)
        assert cast.summary.outcome == "cancelled"


def skills(found: SkillMatch, reply: SkillReply, ran: list[RunSkill]) -> list[ServiceSpec]:
    async def match(question: MatchSkill) -> SkillMatch | None:
        return found

    async def act(question: RunSkill) -> SkillReply:
        ran.append(question)
        return reply

    def answering(kind: type[Any], answer: Any) -> ServiceSpec:
        async def run(ctx: Context) -> None:
            ctx.ready()
            await ctx.answer(kind, answer)

        return spec(kind.__name__, run, answers=(kind,))

    return [answering(MatchSkill, match), answering(RunSkill, act)]


class TestTypedAndAnsweredAloud:
    async def test_it_is_a_turn_of_its_source(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            async with bus.stream(Ask(text="What?", speak_to="kitchen"), within=60) as parts:
                got = [part async for part in parts]
        assert "".join(part.delta for part in got) == ANSWER
        assert cast.pieces() == EVERYTHING
        assert got[-1].summary == cast.summary

    async def test_who_speaks_ends_it(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            async with bus.stream(Ask(text="What?", speak_to="kitchen"), within=60) as parts:
                async for part in parts:
                    if part.delta.strip() == "Paris":
                        bus.publish(utterance())
                    last = part
            await finished(cast, 2)
        assert last.summary is not None
        assert last.summary.outcome == "cancelled"
        assert [fact.summary.outcome for fact in cast.of(TurnFinished)] == ["cancelled", "answered"]

    async def test_left_it_ends(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            async with bus.stream(Ask(text="What?", speak_to="kitchen"), within=60) as parts:
                async for _ in parts:
                    break
            await finished(cast)
        assert cast.summary.outcome == "cancelled"
        assert [stop.source for stop in cast.stopped] == ["kitchen"]


class TestSkills:
    async def test_done_once_decided_and_without_a_model(self, bus: Bus) -> None:
        cast, ran = Cast(bus, transcript="Set a timer."), []
        parts = skills(SkillMatch(skill="timer.set"), SkillReply(say="Ten minutes.", listen=True), ran)
        async with stage(cast, conversation(), *parts) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1))
            await asyncio.sleep(2)
            assert ran == []
            (judged,) = cast.of(PauseJudged)
            assert (judged.by, judged.wait_ms) == ("skill", 1.0)
            bus.publish(utterance(pause=1))
            await finished(cast)
        assert [one.text for one in ran] == ["Set a timer."]
        assert (cast.asked, cast.spoken) == ([], ["Ten minutes."])
        assert (cast.summary.skill, cast.summary.said, cast.summary.outcome) == (
            "timer.set",
            "Ten minutes.",
            "answered",
        )
        assert [event.source for event in cast.of(AnswerAwaited)] == ["kitchen"]

    @pytest.mark.parametrize(("before", "said"), [(True, "Yesterday."), (False, "I have not said anything yet.")])
    async def test_repeat(self, bus: Bus, before: bool, said: str) -> None:
        cast = Cast(bus)
        talks = Talks(300)
        if before:
            talks.remember(OWNER, "family", "When?", "Yesterday.")
        control = SkillMatch(skill="repeat", control="repeat")
        async with stage(
            cast, conversation(talks), *skills(control, SkillReply(say="", control="repeat"), [])
        ) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await finished(cast)
        assert cast.spoken == [said]
        assert len(talks.history(OWNER, "family")) == (2 if before else 0)

    async def test_a_new_chat_forgets_what_was_said_and_takes_nothing_up_again(self, bus: Bus) -> None:
        cast = Cast(bus, transcript="Start a new chat.")
        talks = Talks(300)
        talks.remember(OWNER, "family", "When?", "Yesterday.")
        talks.remember(OWNER, "office", "Where?", "Here.")
        afresh = SkillMatch(skill="chat.new", control="afresh")
        reply = SkillReply(say="A new conversation.", control="afresh")
        async with stage(cast, conversation(talks), *skills(afresh, reply, [])) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await finished(cast)
        assert cast.spoken == ["A new conversation."]
        assert talks.history(OWNER, "family") == () and not talks.is_new(OWNER, "family")
        assert len(talks.history(OWNER, "office")) == 2

    async def test_stop_says_nothing(self, bus: Bus) -> None:
        cast = Cast(bus, transcript="Stop.")
        control = SkillMatch(skill="stop", control="stop")
        async with stage(cast, conversation(), *skills(control, SkillReply(say="", control="stop"), [])) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await finished(cast)
        assert (cast.spoken, cast.asked, cast.summary.outcome) == ([], [], "answered")


class TestLookingAhead:
    async def test_all_words_are_read_and_those_that_two_looks_agree_on_stand(self, bus: Bus) -> None:
        cast = Cast(bus, transcript="What is the")
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            for text in ("What is the?", "What is the capital of..."):
                cast.transcript = text
                grew = SpeechGrew(source="kitchen", utterance="kitchen-1", pcm=b"", wake_word=None, talk="family")
                bus.publish(grew)
                await asyncio.sleep(1)
        assert [(one.committed, one.tentative) for one in cast.of(TranscriptGrew)] == [
            ("", "What is the?"),
            ("What is the", "capital of..."),
        ]
        assert [one.messages[-1].content for one in cast.prefilled] == ["What is the", "What is the capital of"]


class TestAnnouncements:
    def sources(self, *states: tuple[str, bool]) -> ServiceSpec:
        async def describe(_: DescribeSources) -> tuple[SourceState, ...]:
            return tuple(
                SourceState(source=name, state="waiting for wake word", wake=wake, heard_s=1, dropped=0)
                for name, wake in states
            )

        async def run(ctx: Context) -> None:
            ctx.ready()
            await ctx.answer(DescribeSources, describe)

        return spec("sources", run, answers=(DescribeSources,))

    async def test_said_to_all_who_go_on_listening(self, bus: Bus) -> None:
        cast = Cast(bus)
        sources = self.sources(("kitchen", True), ("hall", True), ("voice-1", False))
        async with stage(cast, conversation(), sources) as house:
            await house.reaches("conversation", State.READY)
            said = await bus.request(Announce(text="The eggs are done."), within=60)
        assert said == ("kitchen", "hall")
        assert {sound.source for sound in cast.played} == {"kitchen", "hall"}
        assert [fact.summary.outcome for fact in cast.of(TurnFinished)] == ["announced", "announced"]

    async def test_behind_the_answer_that_is_being_spoken(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation(), self.sources(("kitchen", True))) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await asyncio.sleep(1)
            said = await bus.request(Announce(text="The eggs are done."), within=60)
        assert said == ("kitchen",)
        assert [fact.summary.outcome for fact in cast.of(TurnFinished)] == ["answered", "announced"]
        assert cast.pieces()[: len(EVERYTHING)] == EVERYTHING

    async def test_to_nobody(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation(), self.sources()) as house:
            await house.reaches("conversation", State.READY)
            assert await bus.request(Announce(text="Hello."), within=60) == ()
            assert await bus.request(Announce(text="Hello.", source="attic"), within=60) == ()
        assert cast.of(TurnFinished) == []
