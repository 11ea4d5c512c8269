"""One source's ear: wake word, pauses, ends, and where the sound is cut."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.audio.ear import Ear
from services.audio.endpointing import EndpointingPolicy
from services.audio.mouth import Mouth
from services.audio.utterance import EarPolicy
from services.messages.audio import (
    BYTES_PER_SAMPLE,
    SAMPLE_RATE,
    Attach,
    NothingHeard,
    SoundHeard,
    SpeechStarted,
    UtteranceHeard,
    UtterancePaused,
)
from services.messages.speech import ScoreSpeech
from services.messages.turntaking import SpeechResumed
from solo.bus import Bus, Event, Overflow
from solo.supervision import Context

pytestmark = pytest.mark.virtual_time

FRAME = SAMPLE_RATE // 50
CHUNK = 512
LOUD = 20_000
TOLD = {"SpeechStarted", "UtterancePaused", "UtteranceHeard", "NothingHeard"}
POLICY = EarPolicy(endpointing=EndpointingPolicy())


def sound(seconds: float, *, loud: bool) -> list[int]:
    """Loud samples count up, so that a cut shows where it was made; the scores are made from their loudness."""
    return [LOUD if loud else 0] * int(seconds * SAMPLE_RATE)


def speech(*runs: tuple[float, bool]) -> bytes:
    samples = [value for seconds, loud in runs for value in sound(seconds, loud=loud)]
    return struct.pack(f"<{len(samples)}h", *samples)


def seconds(pcm: bytes) -> float:
    return len(pcm) / BYTES_PER_SAMPLE / SAMPLE_RATE


def loud_part(pcm: bytes) -> tuple[float, float, float]:
    """Seconds of silence before, of speech (first to last loud sample), of silence behind."""
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    loud = [index for index, value in enumerate(samples) if value]
    first, last = loud[0], loud[-1] + 1
    return first / SAMPLE_RATE, (last - first) / SAMPLE_RATE, (len(samples) - last) / SAMPLE_RATE


@dataclass
class Rig:
    ear: Ear
    bus: Bus
    life: asyncio.Task[None]
    facts: list[Event] = field(default_factory=list)
    asked: list[ScoreSpeech] = field(default_factory=list)

    async def hear(self, pcm: bytes, *, pace: float = 0.02) -> None:
        """As a microphone delivers it: 20 ms every 20 ms."""
        for start in range(0, len(pcm), FRAME * BYTES_PER_SAMPLE):
            self.ear.hear(pcm[start : start + FRAME * BYTES_PER_SAMPLE])
            await asyncio.sleep(pace)

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def story(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts if type(fact).__name__ in TOLD]


@asynccontextmanager
async def listening(bus: Bus, ctx: Context, *, wake: bool, policy: EarPolicy = POLICY) -> AsyncIterator[Rig]:
    rest: dict[str, bytes] = {}

    async def score(question: ScoreSpeech) -> tuple[float, ...]:
        rig.asked.append(question)
        held = question.pcm if question.afresh else rest.get(question.source, b"") + question.pcm
        whole = len(held) - len(held) % (CHUNK * BYTES_PER_SAMPLE)
        rest[question.source] = held[whole:]
        scores = []
        for start in range(0, whole, CHUNK * BYTES_PER_SAMPLE):
            samples = struct.unpack(f"<{CHUNK}h", held[start : start + CHUNK * BYTES_PER_SAMPLE])
            scores.append(sum(samples) / CHUNK / LOUD)
        return tuple(scores)

    async def write_down() -> None:
        async with bus.subscribe(Event, limit=100_000, overflow=Overflow.FAIL) as facts:
            async for fact in facts:
                rig.facts.append(fact)

    async with asyncio.TaskGroup() as tasks:
        with bus.serve(ScoreSpeech, score, owner="vad", tasks=tasks, limit=9):
            ear = Ear(ctx, Attach(source="kitchen", wake=wake, talk="family"), policy, Mouth("kitchen"))
            rig = Rig(ear, bus, tasks.create_task(ear.run()))
            writing = tasks.create_task(write_down())
            await asyncio.sleep(0)
            yield rig
            await asyncio.sleep(0)
            rig.life.cancel()
            writing.cancel()


class TestWithoutWakeWord:
    async def test_one_utterance(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=False) as rig:
            await rig.hear(speech((1.0, False), (2.0, True), (1.0, False)))
            rig.ear.turn_over("kitchen-1")
            await rig.life
        assert rig.story() == ["SpeechStarted", "UtterancePaused", "UtteranceHeard"]
        (started,) = rig.of(SpeechStarted)
        (paused,) = rig.of(UtterancePaused)
        (heard,) = rig.of(UtteranceHeard)
        assert (started.source, started.talk, heard.talk) == ("kitchen", "family", "family")
        assert (heard.utterance, heard.pause) == (paused.utterance, paused.pause) == ("kitchen-1", 1)
        assert heard.wake_word is None
        before, spoken, behind = loud_part(heard.pcm)
        assert spoken == pytest.approx(2.0, abs=0.001)
        assert POLICY.before_speech_s - 0.04 < before <= POLICY.before_speech_s + 0.04
        assert POLICY.after_speech_s - 0.04 < behind <= POLICY.after_speech_s + 0.04

    async def test_what_was_said_at_the_pause_is_all_that_was_said(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=False) as rig:
            await rig.hear(speech((0.5, False), (1.0, True), (1.0, False)))
        assert loud_part(rig.of(UtterancePaused)[0].pcm)[1] == loud_part(rig.of(UtteranceHeard)[0].pcm)[1]

    async def test_a_resumed_pause(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=False) as rig:
            await rig.hear(speech((0.5, False), (1.0, True), (0.3, False), (1.0, True), (1.0, False)))
        first, second = rig.of(UtterancePaused)
        (heard,) = rig.of(UtteranceHeard)
        assert (first.pause, second.pause, heard.pause) == (1, 2, 2)
        assert first.utterance == second.utterance == heard.utterance
        assert loud_part(first.pcm)[1] == pytest.approx(1.0, abs=0.001)
        assert loud_part(second.pcm)[1] == pytest.approx(2.3, abs=0.001)
        assert loud_part(heard.pcm)[1] == pytest.approx(2.3, abs=0.001)

    async def test_when_the_speech_ended(self, bus: Bus, ctx: Context) -> None:
        loop = asyncio.get_running_loop()
        async with listening(bus, ctx, wake=False) as rig:
            begin = loop.time()
            await rig.hear(speech((1.0, False), (2.0, True), (1.0, False)))
        (heard,) = rig.of(UtteranceHeard)
        assert heard.speech_end - begin == pytest.approx(3.0, abs=0.06)
        assert heard.decided - heard.speech_end == pytest.approx(0.48, abs=0.08)

    async def test_the_end_of_the_sound_ends_the_utterance(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=False) as rig:
            await rig.hear(speech((0.5, False), (1.0, True)))
            rig.ear.end()
            await rig.life
        assert rig.story() == ["SpeechStarted", "UtteranceHeard"]
        (heard,) = rig.of(UtteranceHeard)
        assert heard.pause == 0
        assert loud_part(heard.pcm)[1] > 0.95

    async def test_a_file_fed_at_once_is_the_same(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=False) as rig:
            await rig.hear(speech((1.0, False), (2.0, True), (1.0, False)), pace=0)
            rig.ear.end()
            await rig.life
        assert loud_part(rig.of(UtteranceHeard)[0].pcm)[1] == pytest.approx(2.0, abs=0.001)

    @pytest.mark.parametrize("pcm", [b"", speech((3.0, False)), speech((0.05, True), (1.0, False))])
    async def test_nobody_spoke(self, bus: Bus, ctx: Context, pcm: bytes) -> None:
        async with listening(bus, ctx, wake=False) as rig:
            await rig.hear(pcm)
            rig.ear.end()
            await rig.life
        assert rig.story() == ["NothingHeard"]
        assert rig.of(NothingHeard)[0].reason == "no_speech"
        assert rig.ear.state().state == "closed"

    async def test_the_detector_starts_afresh_and_gets_whole_chunks(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=False) as rig:
            await rig.hear(speech((1.0, False), (1.0, True), (1.0, False)))
        assert [question.afresh for question in rig.asked] == [True] + [False] * (len(rig.asked) - 1)
        assert all(len(question.pcm) % (CHUNK * BYTES_PER_SAMPLE) == 0 for question in rig.asked)

    async def test_speech_from_the_first_sample(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=False) as rig:
            await rig.hear(speech((1.0, True), (1.0, False)))
        assert loud_part(rig.of(UtteranceHeard)[0].pcm)[:2] == (0.0, pytest.approx(1.0, abs=0.001))


class TestWithWakeWord:
    async def wake(self, rig: Rig, at: int | None = None) -> None:
        heard = int(rig.ear.state().heard_s * SAMPLE_RATE)
        rig.ear.woken("okay_nabu", heard if at is None else at)

    async def test_nothing_is_listened_to_before_it(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((1.0, False), (5.0, True), (1.0, False)))
            assert rig.ear.state().state == "waiting for wake word"
            assert rig.asked == []
            assert rig.story() == []

    async def test_all_sound_goes_to_whoever_listens_for_it(self, bus: Bus, ctx: Context) -> None:
        pcm = speech((0.5, False), (1.0, True), (0.33, False))
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(pcm)
            rig.ear.end()
            await asyncio.sleep(5)
        pieces = rig.of(SoundHeard)
        assert b"".join(piece.pcm for piece in pieces) == pcm
        position = 0
        for piece in pieces:
            assert piece.start == position
            position += len(piece.pcm) // BYTES_PER_SAMPLE

    async def test_the_question_follows(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((2.0, False), (0.7, True)))
            await self.wake(rig)
            await rig.hear(speech((0.4, False), (2.0, True), (1.0, False)))
            assert rig.story() == ["SpeechStarted", "UtterancePaused", "UtteranceHeard"]
            (heard,) = rig.of(UtteranceHeard)
            assert heard.wake_word == "okay_nabu"
            # From before the wake word to behind the question.
            before, spoken, _ = loud_part(heard.pcm)
            assert before == pytest.approx(POLICY.before_wake_s - 0.7, abs=0.05)
            assert spoken == pytest.approx(0.7 + 0.4 + 2.0, abs=0.05)
            assert rig.ear.state().state == "answering"

    async def test_the_question_follows_without_a_gap(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((2.0, False), (0.7, True)))
            await self.wake(rig)
            await rig.hear(speech((2.0, True), (1.0, False)))
            (heard,) = rig.of(UtteranceHeard)
            assert loud_part(heard.pcm)[1] == pytest.approx(2.7, abs=0.05)

    async def test_recognised_late_nothing_is_lost(self, bus: Bus, ctx: Context) -> None:
        """The engine says where the word ended, which is a while ago by now."""
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((2.0, False), (0.7, True), (0.3, False), (0.6, True)))
            await self.wake(rig, at=int(2.7 * SAMPLE_RATE))
            await rig.hear(speech((0.6, True), (1.0, False)))
            (heard,) = rig.of(UtteranceHeard)
            assert loud_part(heard.pcm)[1] == pytest.approx(0.7 + 0.3 + 1.2, abs=0.05)

    async def test_its_own_tail_is_no_question(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((2.0, False), (0.7, True)))
            await self.wake(rig)
            await rig.hear(speech((0.15, True), (2.0, False), (1.0, True), (1.0, False)))
            (heard,) = rig.of(UtteranceHeard)
            assert len(rig.of(SpeechStarted)) == 1
            # Behind so long a silence the question is cut off from the wake word.
            assert loud_part(heard.pcm)[1] == pytest.approx(1.0, abs=0.05)

    @pytest.mark.parametrize(("silence_s", "with_wake_word"), [(0.2, True), (0.6, True), (0.9, False), (3.0, False)])
    async def test_what_follows_soon_is_one_with_it(
        self, bus: Bus, ctx: Context, silence_s: float, with_wake_word: bool
    ) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((2.0, False), (0.7, True)))
            await self.wake(rig)
            await rig.hear(speech((silence_s, False), (1.0, True), (1.0, False)))
            (heard,) = rig.of(UtteranceHeard)
        spoken = 0.7 + silence_s + 1.0 if with_wake_word else 1.0
        assert loud_part(heard.pcm)[1] == pytest.approx(spoken, abs=0.05)

    async def test_when_it_was_all_that_was_said_the_question_may_have_begun(self, bus: Bus, ctx: Context) -> None:
        """While that was being found out, somebody went on speaking: nothing of it is lost."""
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((2.0, False), (0.4, True)))
            await self.wake(rig)
            await rig.hear(speech((0.5, True), (2.0, False)))  # its end sounded like a question
            assert len(rig.of(UtteranceHeard)) == 1
            await rig.hear(speech((0.4, True)))
            rig.ear.listen_again("okay_nabu")
            await rig.hear(speech((0.6, True), (1.0, False)))
            _, heard = rig.of(UtteranceHeard)
        assert loud_part(heard.pcm)[1] == pytest.approx(1.0, abs=0.05)

    async def test_who_goes_on_soon_goes_on_with_the_same_utterance(self, bus: Bus, ctx: Context) -> None:
        """Nothing of an answer has been heard: the end was decided too soon."""
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((2.0, False), (0.4, True)))
            await self.wake(rig)
            await rig.hear(speech((0.3, False), (1.0, True), (0.8, False)))
            assert [heard.utterance for heard in rig.of(UtteranceHeard)] == ["kitchen-1"]
            wait_ms = rig.ear.state().wait_ms
            await rig.hear(speech((0.7, True), (1.5, False)))
            _, heard = rig.of(UtteranceHeard)
            assert heard.utterance == "kitchen-1"
            assert loud_part(heard.pcm)[1] == pytest.approx(0.4 + 0.3 + 1.0 + 0.8 + 0.7, abs=0.05)
            assert rig.of(SpeechResumed)[-1].silence_s == pytest.approx(0.8, abs=0.05)
            assert rig.ear.state().wait_ms > max(wait_ms, 700)

    async def test_silence_after_it_gives_up_and_waits_again(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((2.0, False), (0.7, True)))
            await self.wake(rig)
            await rig.hear(speech((POLICY.question_within_s - 0.5, False)))
            assert rig.story() == []
            assert rig.ear.state().state == "listening"
            await rig.hear(speech((1.0, False)))
            assert rig.story() == ["NothingHeard"]
            assert rig.of(NothingHeard)[0].reason == "no_speech"
            await self.wake(rig)
            await rig.hear(speech((0.4, False), (1.0, True), (1.0, False)))
            assert rig.story()[1:] == ["SpeechStarted", "UtterancePaused", "UtteranceHeard"]

    async def test_again_and_again(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            for _ in range(3):
                await rig.hear(speech((2.0, False), (0.7, True)))
                await self.wake(rig)
                await rig.hear(speech((0.4, False), (1.0, True), (1.0, False)))
                assert rig.ear.state().state == "answering"
                rig.ear.turn_over(None)
                await rig.hear(speech((0.5, False)))
                assert rig.ear.state().state == "waiting for wake word"
        assert [heard.utterance for heard in rig.of(UtteranceHeard)] == ["kitchen-1", "kitchen-2", "kitchen-3"]
        assert all(loud_part(heard.pcm)[1] == pytest.approx(2.1, abs=0.05) for heard in rig.of(UtteranceHeard))

    async def test_while_an_answer_is_spoken(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            for _ in range(2):  # nobody says that the first turn is over
                await rig.hear(speech((2.0, False), (0.7, True)))
                await self.wake(rig)
                await rig.hear(speech((0.4, False), (1.0, True), (1.0, False)))
        assert len(rig.of(UtteranceHeard)) == 2

    async def test_never(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((1.0, False), (2.0, True), (1.0, False)))
            rig.ear.end()
            await rig.life
        assert rig.story() == ["NothingHeard"]
        assert rig.of(NothingHeard)[0].reason == "no_wake"

    async def test_recognised_when_the_sound_has_ended(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((2.0, False), (0.7, True), (0.4, False), (1.0, True), (0.6, False)))
            rig.ear.end()
            await asyncio.sleep(0.3)
            await self.wake(rig, at=int(2.7 * SAMPLE_RATE))
            await rig.life
        (heard,) = rig.of(UtteranceHeard)
        assert heard.wake_word == "okay_nabu"
        assert loud_part(heard.pcm)[1] == pytest.approx(2.1, abs=0.05)

    async def test_what_was_none_is_let_go_in_silence(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            await rig.hear(speech((2.0, False), (0.7, True)))
            await self.wake(rig, at=int(2.6 * SAMPLE_RATE))
            await rig.hear(speech((0.3, False), (0.5, True)))
            rig.ear.dismissed(int(2.6 * SAMPLE_RATE))
            await rig.hear(speech((1.0, True), (1.0, False)))
            assert rig.of(UtteranceHeard) == rig.of(NothingHeard) == []
            assert rig.ear.state().state == "waiting for wake word"
            await self.wake(rig)
            await rig.hear(speech((0.3, False), (1.0, True), (1.0, False)))
            assert len(rig.of(UtteranceHeard)) == 1

    async def test_an_ear_without_one_does_not_wake(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=False) as rig:
            await rig.hear(speech((0.5, False), (0.7, True)))
            rig.ear.woken("okay_nabu", 0)
            await rig.hear(speech((1.0, False)))
        assert rig.of(UtteranceHeard)[0].wake_word is None


class TestLimits:
    async def test_minutes_of_waiting_keep_seconds(self, bus: Bus, ctx: Context) -> None:
        async with listening(bus, ctx, wake=True) as rig:
            frame = bytes(FRAME * BYTES_PER_SAMPLE)
            for _ in range(360 * 50):
                rig.ear.hear(frame)
                await asyncio.sleep(0.02)
            assert len(rig.ear._hearing.ring._kept) <= 15 * SAMPLE_RATE * BYTES_PER_SAMPLE
            assert rig.ear.state().heard_s == pytest.approx(360, abs=0.1)

    async def test_speech_without_end_is_cut(self, bus: Bus, ctx: Context) -> None:
        policy = EarPolicy(endpointing=EndpointingPolicy(most_ms=3000))
        async with listening(bus, ctx, wake=False, policy=policy) as rig:
            await rig.hear(speech((0.5, False), (4.0, True)))
            rig.ear.turn_over(None)
            await rig.life
        assert seconds(rig.of(UtteranceHeard)[0].pcm) == pytest.approx(3.0 + 0.3, abs=0.1)

    async def test_a_detector_that_is_away_loses_no_sound(self, bus: Bus, ctx: Context) -> None:
        """It is being restarted: the question waits, and so does the sound."""
        bus.expect(ScoreSpeech)
        ear = Ear(ctx, Attach(source="kitchen", wake=False, talk="family"), POLICY, Mouth("kitchen"))
        life = asyncio.create_task(ear.run())
        pcm = speech((1.0, False), (2.0, True), (1.0, False))
        for start in range(0, len(pcm), FRAME * BYTES_PER_SAMPLE):
            ear.hear(pcm[start : start + FRAME * BYTES_PER_SAMPLE])
            await asyncio.sleep(0.02)

        async def score(question: ScoreSpeech) -> tuple[float, ...]:
            count = len(question.pcm) // BYTES_PER_SAMPLE // CHUNK
            return tuple(
                sum(struct.unpack(f"<{CHUNK}h", question.pcm[n * CHUNK * 2 : (n + 1) * CHUNK * 2])) / CHUNK / LOUD
                for n in range(count)
            )

        async with (
            asyncio.TaskGroup() as tasks,
            bus.subscribe(UtteranceHeard, limit=9, overflow=Overflow.FAIL) as utterances,
        ):
            with bus.serve(ScoreSpeech, score, owner="vad", tasks=tasks, limit=9):
                heard = await anext(utterances)
                ear.turn_over(None)
                await life
        assert loud_part(heard.pcm)[1] == pytest.approx(2.0, abs=0.001)
        assert ear.state().dropped == 0
