"""Somebody speaks while Solo does: held at once, then ended or gone on with from the same sample."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.audio.endpointing import EndpointingPolicy
from services.audio.service import ANSWERS, AudioService
from services.audio.utterance import EarPolicy
from services.messages.audio import (
    Attach,
    NothingHeard,
    PlaySound,
    SoundCaptured,
    SoundOut,
    StopSound,
    UtteranceHeard,
    WakeWordHeard,
)
from services.messages.conversation import TurnFinished, TurnSummary
from services.messages.playback import (
    DescribePlayback,
    PlaybackPaused,
    PlaybackResumed,
    SetVolume,
    VolumeChanged,
)
from services.messages.speech import ScoreSpeech
from services.messages.turntaking import (
    AnswerAwaited,
    BargeInDecided,
    BargeInStarted,
    EndUtterance,
    Interruption,
    JudgeInterruption,
    ListenNow,
    Verdict,
)
from solo.bus import Bus, Event, Overflow
from solo.supervision import Context, ServiceSpec, State
from tests.stubs.services import House, spec, supervised
from tests.unit.services.test_ear import CHUNK, FRAME, LOUD, loud_part, speech

pytestmark = pytest.mark.virtual_time

POLICY = EarPolicy(endpointing=EndpointingPolicy())
RATE = 16_000


@dataclass
class Room:
    """A source in a house whose detector hears loud samples and whose judge says what it is told."""

    bus: Bus
    verdict: Interruption = field(default_factory=lambda: Interruption(verdict=Verdict.RESUME, why="backchannel"))
    judge_s: float = 0.1
    judged: list[JudgeInterruption] = field(default_factory=list)
    facts: list[Event] = field(default_factory=list)
    out: list[SoundOut] = field(default_factory=list)

    async def score(self, question: ScoreSpeech) -> tuple[float, ...]:
        samples = memoryview(question.pcm).cast("h")
        return tuple(sum(samples[at : at + CHUNK]) / CHUNK / LOUD for at in range(0, len(samples), CHUNK))

    async def judge(self, question: JudgeInterruption) -> Interruption:
        self.judged.append(question)
        await asyncio.sleep(self.judge_s)
        return self.verdict

    async def say(self, pcm: bytes, source: str = "kitchen") -> None:
        for start in range(0, len(pcm), FRAME * 2):
            self.bus.publish(SoundCaptured(source=source, pcm=pcm[start : start + FRAME * 2]))
            await asyncio.sleep(0.02)

    async def play(self, seconds: float, *, last: bool = False) -> None:
        pcm = bytes(int(seconds * RATE) * 2)
        await self.bus.request(PlaySound(source="kitchen", pcm=pcm, sample_rate=RATE, turn_id="t1"), within=60)
        if last:
            end = PlaySound(source="kitchen", pcm=b"", sample_rate=RATE, last=True, turn_id="t1")
            await self.bus.request(end, within=60)

    async def played_s(self) -> float:
        (playback,) = await self.bus.request(DescribePlayback(), within=1)
        return playback.played_s

    def over(self, utterance: str | None = None) -> None:
        summary = TurnSummary(
            turn_id="t1", at="", source="kitchen", talk="t", heard="", said="", outcome="answered", utterance=utterance
        )
        self.bus.publish(TurnFinished(source="kitchen", summary=summary))

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


@asynccontextmanager
async def room(bus: Bus, **attach: Any) -> AsyncIterator[Room]:
    one = Room(bus)

    def answering(kind: type[Any], answer: Any) -> ServiceSpec:
        async def run(ctx: Context) -> None:
            ctx.ready()
            await ctx.answer(kind, answer)

        return spec(kind.__name__, run, answers=(kind,))

    async def write_down() -> None:
        async with bus.subscribe(Event, limit=100_000, overflow=Overflow.FAIL) as facts:
            async for fact in facts:
                one.facts.append(fact)

    async def listen() -> None:
        async with bus.stream(Attach(source="kitchen", **attach), within=3600) as sounds:
            async for sound in sounds:
                one.out.append(sound)

    audio = ServiceSpec(name="audio", make=lambda: AudioService(POLICY), answers=ANSWERS)
    parts = [audio, answering(ScoreSpeech, one.score), answering(JudgeInterruption, one.judge)]
    writing = asyncio.create_task(write_down())
    async with supervised(bus, *parts) as house:
        await _ready(house)
        attached = asyncio.create_task(listen())
        await asyncio.sleep(0.01)
        yield one
        attached.cancel()
        writing.cancel()
        await asyncio.wait([attached, writing])


async def _ready(house: House) -> None:
    await house.reaches("audio", State.READY)


async def asked(one: Room) -> None:
    await one.say(speech((0.3, False), (1.0, True), (1.0, False)))
    assert len(one.of(UtteranceHeard)) == 1


class TestBargeIn:
    async def test_held_at_once_and_resumed_at_the_same_sample(self, bus: Bus) -> None:
        async with room(bus, wake=False, again=True, barge_in=True) as one:
            await asked(one)
            await one.play(5.0)
            await one.say(speech((1.0, False)))
            before = await one.played_s()
            await one.say(speech((0.3, True), (0.4, False)))
            (started,), (decided,) = one.of(BargeInStarted), one.of(BargeInDecided)
            assert started.paused_ms <= 150
            assert decided.decided_ms <= 500
            assert (decided.verdict, decided.why) == (Verdict.RESUME, "backchannel")
            held = (decided.decided_ms - started.paused_ms) / 1000
            assert len(one.of(PlaybackPaused)) == len(one.of(PlaybackResumed)) == 1
            await one.say(speech((0.5, False)))
            played = await one.played_s() - before
            assert played == pytest.approx(0.3 + 0.4 + 0.5 - held, abs=0.05)
            assert len(one.of(UtteranceHeard)) == 1
            assert one.judged[0].speaking is False

    async def test_who_wants_to_speak_is_heard_from_the_first_word(self, bus: Bus) -> None:
        async with room(bus, wake=False, again=True, barge_in=True) as one:
            one.verdict = Interruption(verdict=Verdict.INTERRUPT, why="speech")
            await asked(one)
            await one.play(5.0)
            await one.say(speech((1.0, False), (1.5, True), (1.0, False)))
            _, second = one.of(UtteranceHeard)
            assert second.utterance == "kitchen-2"
            assert loud_part(second.pcm)[1] == pytest.approx(1.5, abs=0.05)
            assert one.judged[0].speaking is True
            assert one.of(BargeInDecided)[0].decided_ms <= 500

    async def test_nobody_can_tell_in_time(self, bus: Bus) -> None:
        async with room(bus, wake=False, again=True, barge_in=True) as one:
            one.judge_s = 30.0
            await asked(one)
            await one.play(5.0)
            await one.say(speech((1.0, False), (1.5, True), (1.0, False)))
            (decided,) = one.of(BargeInDecided)
            assert (decided.verdict, decided.why) == (Verdict.INTERRUPT, "timeout")
            assert decided.decided_ms <= 520

    async def test_noise_that_goes_on_is_looked_at_again_later(self, bus: Bus) -> None:
        async with room(bus, wake=False, again=True, barge_in=True) as one:
            await asked(one)
            await one.play(8.0)
            await one.say(speech((0.5, False), (3.0, True)))
            assert 2 <= len(one.of(BargeInDecided)) <= 4

    async def test_a_click_holds_nothing(self, bus: Bus) -> None:
        async with room(bus, wake=False, again=True, barge_in=True) as one:
            await asked(one)
            await one.play(3.0)
            await one.say(speech((0.5, False), (0.04, True), (0.5, False)))
            assert one.of(PlaybackPaused) == []

    async def test_a_source_that_cannot_hold_its_sound_is_not_listened_to(self, bus: Bus) -> None:
        async with room(bus, wake=False, again=True) as one:
            await asked(one)
            await one.play(3.0, last=True)
            one.over()
            await one.say(speech((0.5, False), (1.0, True), (1.0, False)))
            assert len(one.of(UtteranceHeard)) == 1  # its own voice
            await one.say(speech((1.0, False), (1.0, True), (1.0, False)))
            assert len(one.of(UtteranceHeard)) == 2

    async def test_the_end_of_an_answer_is_when_it_was_heard(self, bus: Bus) -> None:
        async with room(bus, wake=False, again=True, barge_in=True) as one:
            await asked(one)
            began = asyncio.get_running_loop().time()
            await one.play(3.0, last=True)
            assert asyncio.get_running_loop().time() - began == pytest.approx(3.0, abs=0.3)


class TestTalks:
    async def test_one_utterance_after_another(self, bus: Bus) -> None:
        async with room(bus, wake=False, again=True) as one:
            for number in range(1, 4):
                await one.say(speech((0.3, False), (1.0, True), (1.0, False)))
                one.over(f"kitchen-{number}")
        assert [heard.utterance for heard in one.of(UtteranceHeard)] == ["kitchen-1", "kitchen-2", "kitchen-3"]

    async def test_push_to_talk(self, bus: Bus) -> None:
        async with room(bus, wake=False, manual=True) as one:
            await one.say(speech((0.5, True), (1.0, False)))
            assert one.of(UtteranceHeard) == []
            bus.publish(ListenNow(source="kitchen", hold=True))
            await one.say(speech((0.2, False), (1.0, True), (3.0, False), (1.0, True), (0.2, False)))
            assert one.of(UtteranceHeard) == []
            bus.publish(EndUtterance(source="kitchen"))
            await asyncio.sleep(0.05)
            (heard,) = one.of(UtteranceHeard)
            assert loud_part(heard.pcm)[1] == pytest.approx(5.0, abs=0.05)

    @pytest.mark.parametrize("wake", [False, True])
    async def test_pressed_while_it_listens_already(self, bus: Bus, wake: bool) -> None:
        async with room(bus, wake=wake, again=not wake) as one:
            if wake:
                await one.say(speech((1.0, False), (0.5, True)))
                bus.publish(WakeWordHeard(source="kitchen", word="alexa", at=int(1.5 * RATE)))
            await one.say(speech((0.3, False), (1.0, True), (0.1, False)))
            bus.publish(ListenNow(source="kitchen", hold=True))
            await one.say(speech((3.0, False), (1.0, True), (2.0, False)))
            assert one.of(UtteranceHeard) == []
            bus.publish(EndUtterance(source="kitchen"))
            await asyncio.sleep(0.05)
            (heard,) = one.of(UtteranceHeard)
            assert loud_part(heard.pcm)[1] >= 5.0

    async def test_pressed_and_never_let_go_gives_up(self, bus: Bus) -> None:
        async with room(bus, wake=False, again=True) as one:
            await one.say(speech((20.0, False)))
            bus.publish(ListenNow(source="kitchen", hold=True))
            await one.say(speech((5.0, False)))
            assert one.of(NothingHeard) == []
            await one.say(speech((2.0, False)))
            assert [heard.reason for heard in one.of(NothingHeard)] == ["no_speech"]

    async def test_asked_back_no_wake_word_is_needed(self, bus: Bus) -> None:
        async with room(bus, wake=True) as one:
            await one.say(speech((1.0, False), (0.5, True)))
            bus.publish(WakeWordHeard(source="kitchen", word="alexa", at=int(1.5 * RATE)))
            await one.say(speech((0.3, False), (1.0, True), (1.0, False)))
            bus.publish(AnswerAwaited(source="kitchen"))
            one.over("kitchen-1")
            await one.say(speech((1.0, False), (1.0, True), (1.0, False)))
            _, second = one.of(UtteranceHeard)
            assert second.wake_word is None
            one.over("kitchen-2")
            await one.say(speech((1.0, False), (1.0, True), (1.0, False)))
        assert len(one.of(UtteranceHeard)) == 2

    async def test_one_room_answers_once(self, bus: Bus) -> None:
        async with room(bus, wake=True, room="ground floor") as one:
            await one.say(speech((1.0, False), (0.5, True)))
            bus.publish(WakeWordHeard(source="another", word="alexa", at=0))
            await asyncio.sleep(0.01)
            bus.publish(WakeWordHeard(source="kitchen", word="alexa", at=int(1.5 * RATE)))
            await one.say(speech((0.3, False), (1.0, True), (1.0, False)))
        assert len(one.of(UtteranceHeard)) == 1  # the other one is not attached, so this one is the first

    async def test_louder_and_softer(self, bus: Bus) -> None:
        async with room(bus, wake=True) as one:
            assert await bus.request(SetVolume(source="kitchen", change=-0.3), within=1) == 0.7
            assert await bus.request(SetVolume(source="kitchen", change=-0.9), within=1) == 0.0
            assert await bus.request(SetVolume(source="kitchen", volume=0.5), within=1) == 0.5
            await asyncio.sleep(0.01)
            assert [event.volume for event in one.of(VolumeChanged)] == [0.7, 0.0, 0.5]

    async def test_silenced(self, bus: Bus) -> None:
        async with room(bus, wake=False, again=True, barge_in=True) as one:
            await asked(one)
            await one.play(5.0)
            await one.say(speech((1.0, False)))
            heard = await bus.request(StopSound(source="kitchen"), within=1)
            assert heard.played_s == pytest.approx(1.0, abs=0.05)
            assert heard.turn_id == "t1"
