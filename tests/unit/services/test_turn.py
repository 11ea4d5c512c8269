"""One turn, with everybody else played: answered, interrupted, and every engine dying in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from services.conversation.service import ANSWERS, ConversationService, Tuned
from services.conversation.talks import Talks
from services.conversation.turn import exhaust
from services.messages.audio import (
    NothingHeard,
    SourceClosed,
    SpeechStarted,
    UtteranceHeard,
    UtterancePaused,
    WakeWordHeard,
)
from services.messages.conversation import (
    AnswerGrew,
    Ask,
    QuestionHeard,
    TurnFinished,
    TurnStarted,
)
from services.messages.profiles import OWNER
from services.messages.speech import Transcribe
from solo.bus import Bus
from solo.isolation.engine import EngineDied, EngineError
from solo.supervision import Context, ServiceSpec, State
from tests.stubs.cast import ANSWER, POLICY, RECEIPT, Cast, clause_pieces, stage, turn, words

pytestmark = pytest.mark.virtual_time

CLAUSES = ("Sure,", "Paris is the capital of France.", "It lies on the Seine.", "It is old.")
EVERYTHING = clause_pieces(*CLAUSES)


class TestAnswered:
    async def test_spoken(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus)
        talks = Talks(300)
        async with stage(cast):
            await exhaust(turn(ctx, talks).answer(bus.request(Transcribe(pcm=b""), within=30)))
        summary = cast.summary
        assert (summary.outcome, summary.error) == ("answered", None)
        assert (summary.heard, summary.said) == (cast.transcript, ANSWER)
        assert cast.pieces() == EVERYTHING
        assert [sound.last for sound in cast.played] == [False] * len(EVERYTHING) + [True]
        assert {sound.source for sound in cast.played} == {"kitchen"}
        assert (summary.engines.stt, summary.engines.llm, summary.engines.tts) == ("fake stt", "fake llm", "fake tts")
        assert summary.tokens is not None
        assert (summary.tokens.prompt, summary.tokens.cached, summary.tokens.per_second) == (12, 3, 40.0)
        assert summary.receipt == RECEIPT
        assert [message.content for message in talks.history("anna", "family")] == [cast.transcript, ANSWER]

    async def test_told_as_it_happens(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus)
        async with stage(cast):
            one = turn(ctx)
            await exhaust(one.answer("What is the capital of France?"))
        story = [
            fact for fact in cast.facts if isinstance(fact, TurnStarted | QuestionHeard | AnswerGrew | TurnFinished)
        ]
        assert type(story[0]) is TurnStarted
        assert type(story[1]) is QuestionHeard
        assert type(story[-1]) is TurnFinished
        assert "".join(fact.delta for fact in story if isinstance(fact, AnswerGrew)) == ANSWER
        assert {fact.turn_id for fact in story} == {one.id}
        assert {sound.turn_id for sound in cast.played} == {one.id}

    async def test_latencies_come_in_order(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus)
        async with stage(cast):
            await exhaust(turn(ctx).answer(bus.request(Transcribe(pcm=b""), within=30)))
        latency = cast.summary.latency_ms
        assert latency.transcript == pytest.approx(200, abs=1)
        assert latency.first_token == pytest.approx(300, abs=1)
        # "Sure," is known to be a clause when the next word is there; its sound takes one piece more.
        assert latency.first_audio == pytest.approx(500, abs=1)
        assert latency.voice_to_voice == pytest.approx(500, abs=1)
        assert latency.finished is not None
        assert latency.finished > 1000

    async def test_typed_without_a_loudspeaker(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus)
        async with stage(cast):
            deltas = [delta async for delta in turn(ctx, speak_to=None).answer("What?")]
        assert "".join(deltas) == ANSWER
        assert (cast.spoken, cast.played) == ([], [])
        assert cast.summary.outcome == "answered"

    async def test_the_prompt_is_system_history_question(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus)
        talks = Talks(300)
        talks.remember("anna", "family", "Hello?", "Hello.")
        talks.remember("anna", "others", "secret?", "Secret.")
        async with stage(cast):
            await exhaust(turn(ctx, talks, speak_to=None).answer("What?"))
        (asked,) = cast.asked
        assert [(message.role, message.content) for message in asked.messages] == [
            ("system", "Be brief."),
            ("user", "Hello?"),
            ("assistant", "Hello."),
            ("user", "What?"),
        ]
        assert (asked.prefix, asked.max_tokens) == ("", 99)

    async def test_the_wake_word_is_not_asked(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus, transcript="Okay, Nabu, what is the time?")
        async with stage(cast):
            await exhaust(turn(ctx).answer(bus.request(Transcribe(pcm=b""), within=30), "okay_nabu"))
        assert cast.summary.heard == "What is the time?"

    @pytest.mark.parametrize(("transcript", "wake_word"), [("", None), ("Okay Nabu.", "okay_nabu")])
    async def test_nothing_said_is_not_answered(
        self, bus: Bus, ctx: Context, transcript: str, wake_word: str | None
    ) -> None:
        cast = Cast(bus, transcript=transcript)
        talks = Talks(300)
        async with stage(cast):
            await exhaust(turn(ctx, talks).answer(bus.request(Transcribe(pcm=b""), within=30), wake_word))
        assert (cast.summary.outcome, cast.summary.error) == ("no_speech", None)
        assert (cast.asked, cast.played, cast.of(QuestionHeard)) == ([], [], [])
        assert talks.history("anna", "family") == ()


def dying(at: dict[int, int], error: type[Exception] = EngineDied) -> Callable[[int, int], None]:
    """By attempt: the token before which the model dies."""

    def fails(attempt: int, token: int) -> None:
        if at.get(attempt) == token:
            raise error("the model has died")

    return fails


class TestModelDies:
    @pytest.mark.parametrize("token", [0, 1, 2, 7, 8, 14])
    async def test_goes_on_behind_what_was_said(self, bus: Bus, ctx: Context, token: int) -> None:
        cast = Cast(bus, llm_fails=dying({1: token}))
        async with stage(cast):
            deltas = [delta async for delta in turn(ctx).answer("What?")]
        said_before = "".join(words(ANSWER)[:token])
        assert [asked.prefix for asked in cast.asked] == ["", said_before]
        assert "".join(deltas) == ANSWER
        assert cast.summary.outcome == "answered"
        assert cast.summary.said == ANSWER
        assert cast.pieces() == EVERYTHING  # nothing repeated, nothing left out
        assert cast.played[-1].last

    async def test_a_second_death_fails_with_an_apology(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus, llm_fails=dying({1: 3, 2: 0}))
        talks = Talks(300)
        async with stage(cast):
            await exhaust(turn(ctx, talks).answer("What?"))
        assert len(cast.asked) == 2
        assert cast.summary.outcome == "failed"
        assert cast.summary.error is not None
        assert (cast.summary.error.code, cast.summary.error.message) == ("engine.died", "the model has died")
        assert cast.spoken[-1] == "Sorry, I cannot answer, because the language model has failed."
        assert cast.played[-1].last
        assert talks.history("anna", "family") == ()

    async def test_an_error_that_trying_again_does_not_cure(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus, llm_fails=dying({1: 0}, EngineError))
        async with stage(cast):
            await exhaust(turn(ctx).answer("What?"))
        assert len(cast.asked) == 1
        assert cast.summary.error is not None
        assert cast.summary.error.code == "engine.failed"

    async def test_a_bug_in_its_service_too(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus, llm_fails=dying({1: 7}, ValueError))
        async with stage(cast):
            await exhaust(turn(ctx).answer("What?"))
        assert (cast.summary.outcome, cast.summary.said) == ("answered", ANSWER)

    async def test_typed_there_is_no_apology_to_speak(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus, llm_fails=dying({1: 0, 2: 0}))
        async with stage(cast):
            assert [delta async for delta in turn(ctx, speak_to=None).answer("What?")] == []
        assert cast.summary.outcome == "failed"
        assert cast.played == []


class TestVoiceDies:
    @pytest.mark.parametrize("clause", CLAUSES)
    @pytest.mark.parametrize("piece", [0, 1, 2])
    async def test_says_the_clause_again_without_what_was_played(
        self, bus: Bus, ctx: Context, clause: str, piece: int
    ) -> None:
        def fails(text: str, attempt: int, at: int) -> None:
            if (text, attempt, at) == (clause, 1, piece):
                raise EngineDied("the voice has died")

        cast = Cast(bus, tts_fails=fails)
        async with stage(cast):
            await exhaust(turn(ctx).answer("What?"))
        assert cast.spoken.count(clause) == 2
        assert cast.pieces() == EVERYTHING
        assert cast.summary.outcome == "answered"
        assert len(cast.asked) == 1

    async def test_twice_fails_without_a_word(self, bus: Bus, ctx: Context) -> None:
        def fails(text: str, attempt: int, at: int) -> None:
            raise EngineDied("the voice has died")

        cast = Cast(bus, tts_fails=fails)
        async with stage(cast):
            await exhaust(turn(ctx).answer("What?"))
        assert (cast.summary.outcome, cast.pieces()) == ("failed", [])
        assert cast.summary.error is not None
        assert cast.summary.error.code == "engine.died"
        assert not any(clause.startswith("Sorry") for clause in cast.spoken)


class TestEarsDie:
    async def test_an_apology(self, bus: Bus, ctx: Context) -> None:
        def fails(_: int) -> None:
            raise EngineError("no model")

        cast = Cast(bus, stt_fails=fails)
        async with stage(cast):
            await exhaust(turn(ctx).answer(bus.request(Transcribe(pcm=b""), within=30)))
        assert cast.summary.outcome == "failed"
        assert cast.spoken[0].startswith("Sorry, I could not understand you")
        assert cast.played[-1].last

    async def test_a_death_is_cured_by_asking_again(self, bus: Bus, ctx: Context) -> None:
        def fails(attempt: int) -> None:
            if attempt == 1:
                raise EngineDied("gone")

        cast = Cast(bus, stt_fails=fails)
        async with stage(cast):
            await exhaust(turn(ctx).answer(bus.request(Transcribe(pcm=b""), within=30)))
        assert (cast.summary.outcome, len(cast.transcribed)) == ("answered", 2)

    async def test_the_apology_fails_as_well(self, bus: Bus, ctx: Context) -> None:
        def deaf(_: int) -> None:
            raise EngineError("no model")

        def mute(text: str, attempt: int, at: int) -> None:
            raise EngineError("no voice")

        cast = Cast(bus, stt_fails=deaf, tts_fails=mute)
        async with stage(cast):
            await exhaust(turn(ctx).answer(bus.request(Transcribe(pcm=b""), within=30)))
        assert cast.summary.error is not None
        assert cast.summary.error.message == "no model"


def conversation(talks: Talks | None = None) -> ServiceSpec:
    kept = talks or Talks(300)
    return ServiceSpec(name="conversation", make=lambda: ConversationService(Tuned(POLICY), kept), answers=ANSWERS)


def utterance(*, pause: int = 0, pcm: bytes = b"question", name: str = "kitchen-1") -> UtteranceHeard:
    now = asyncio.get_running_loop().time()
    return UtteranceHeard(
        source="kitchen",
        utterance=name,
        pause=pause,
        pcm=pcm,
        wake_word=None,
        speech_end=now - 0.5,
        talk="family",
        decided=now,
    )


def pause(number: int = 1, *, pcm: bytes = b"question", name: str = "kitchen-1") -> UtterancePaused:
    return UtterancePaused(
        source="kitchen",
        utterance=name,
        pause=number,
        pcm=pcm,
        wake_word=None,
        speech_end=asyncio.get_running_loop().time(),
        talk="family",
    )


class TestService:
    async def finished(self, cast: Cast, count: int = 1) -> None:
        async with asyncio.timeout(100):
            while len(cast.of(TurnFinished)) < count:
                await asyncio.sleep(0.01)

    async def test_an_utterance_is_answered(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await self.finished(cast)
        assert (cast.summary.outcome, cast.summary.source, cast.pieces()) == ("answered", "kitchen", EVERYTHING)
        latency = cast.summary.latency_ms
        assert latency.end_of_turn == pytest.approx(500, abs=1)
        assert latency.transcript == pytest.approx(700, abs=1)

    async def test_the_transcript_of_the_pause_is_used(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1))
            await asyncio.sleep(0.32)
            bus.publish(utterance(pause=1))
            await self.finished(cast)
        assert len(cast.transcribed) == 1
        # 200 ms after the pause, which was 320 ms before the decision, 500 ms after the last speech.
        assert cast.summary.latency_ms.transcript == pytest.approx(380, abs=1)

    @pytest.mark.parametrize("at", [0.05, 0.5])
    async def test_not_when_something_was_said_after_it(self, bus: Bus, at: float) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1, pcm=b"half"))
            await asyncio.sleep(at)
            bus.publish(pause(2, pcm=b"half and half"))
            await asyncio.sleep(0.3)
            bus.publish(utterance(pause=2, pcm=b"half and half"))
            await self.finished(cast)
        assert cast.transcribed == [b"half", b"half and half"]
        assert cast.summary.outcome == "answered"

    async def test_nor_when_the_sound_ended(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1, pcm=b"half"))
            await asyncio.sleep(0.05)
            bus.publish(utterance(pause=0, pcm=b"all of it"))
            await self.finished(cast)
            assert house.state("conversation").restarts == 0
        assert cast.transcribed == [b"half", b"all of it"]
        assert cast.summary.outcome == "answered"

    async def test_a_pause_transcribed_in_vain_fails_nothing(self, bus: Bus) -> None:
        def fails(attempt: int) -> None:
            if attempt == 1:
                raise EngineError("no model")

        cast = Cast(bus, stt_fails=fails)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(pause(1))
            await asyncio.sleep(1)
            assert cast.of(TurnFinished) == []
            bus.publish(pause(2))
            await asyncio.sleep(1)
            bus.publish(utterance(pause=2))
            await self.finished(cast)
        assert cast.summary.outcome == "answered"

    async def test_the_model_reads_ahead_while_one_speaks(self, bus: Bus) -> None:
        cast = Cast(bus)
        talks = Talks(300)
        talks.remember(OWNER, "family", "Hello?", "Hello.")
        async with stage(cast, conversation(talks)) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(SpeechStarted(source="kitchen", talk="family"))
            await asyncio.sleep(1)
        (prefilled,) = cast.prefilled
        assert [message.content for message in prefilled.messages] == ["Be brief.", "Hello?", "Hello."]

    @pytest.mark.parametrize("at", [0.1, 0.35, 0.6, 1.5])
    @pytest.mark.parametrize("how", ["wake word", "closed"])
    async def test_an_interruption_is_silence(self, bus: Bus, at: float, how: str) -> None:
        cast = Cast(bus)
        talks = Talks(300)
        async with stage(cast, conversation(talks)) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await asyncio.sleep(at)
            if how == "closed":
                bus.publish(SourceClosed(source="kitchen"))
            else:
                bus.publish(WakeWordHeard(source="kitchen", word="okay_nabu", at=0))
            await self.finished(cast)
            await asyncio.sleep(1)
            played = len(cast.played)
            await asyncio.sleep(10)
            assert len(cast.played) == played
            assert house.state("conversation").restarts == 0
        assert cast.summary.outcome == "cancelled"
        assert [stop.source for stop in cast.stopped] == ["kitchen"]
        assert [stop.turn_id for stop in cast.stopped] == [cast.summary.turn_id]
        assert not any(sound.last for sound in cast.played)
        assert talks.history(OWNER, "family") == ()

    async def test_a_new_question_takes_the_place_of_the_old(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await asyncio.sleep(0.6)
            bus.publish(utterance(name="kitchen-2"))
            await self.finished(cast, 2)
        assert [finished.summary.outcome for finished in cast.of(TurnFinished)] == ["cancelled", "answered"]

    @pytest.mark.parametrize("reason", ["no_wake", "no_speech"])
    async def test_nothing_heard_is_a_turn_too(self, bus: Bus, reason: Any) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(NothingHeard(source="kitchen", reason=reason))
            await self.finished(cast)
        assert cast.summary.outcome == reason

    async def test_a_typed_question(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()):
            async with bus.stream(Ask(text="What?"), within=60) as parts:
                got = [part async for part in parts]
        assert "".join(part.delta for part in got) == ANSWER
        assert got[-1].summary == cast.summary
        assert cast.summary.source == "text"

    async def test_a_typed_question_left_is_cancelled(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()):
            async with bus.stream(Ask(text="What?"), within=60) as parts:
                async for _ in parts:
                    break
            await self.finished(cast)
        assert cast.summary.outcome == "cancelled"

    async def test_draining_finishes_the_answer(self, bus: Bus) -> None:
        cast = Cast(bus)
        async with stage(cast, conversation()) as house:
            await house.reaches("conversation", State.READY)
            bus.publish(utterance())
            await asyncio.sleep(0.6)
            house.stop.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(30):
                    await asyncio.shield(house.task)
        assert cast.summary.outcome == "answered"
        assert cast.pieces() == EVERYTHING
