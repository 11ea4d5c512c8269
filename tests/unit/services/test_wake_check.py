"""The second look at a wake word: what was understood decides, and nobody is turned away for want of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.messages.audio import SoundHeard, WakeWordHeard
from services.messages.speech import Transcribe, Transcript
from services.messages.waking import WakeWordConfirmed, WakeWordRejected
from services.wake.adapters.fake import marker
from services.wake.service import WakeService
from services.wake.verifying import PreRoll, Verdict, judge
from solo.bus import Bus, Event, Overflow
from solo.errors import SoloError
from solo.isolation.process import EngineSpec
from solo.supervision import Context

FAKE = EngineSpec("services.wake.adapters.fake:FakeWake")
PIECE = 2560


class TestJudge:
    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("Alexa.", "alexa"),
            ("Alex, uh", "alexa"),
            ("Oh, Alexa, what", "alexa"),
            ("OK, Naboo.", "okay_nabu"),
            ("Okay now boo", "okay_nabu"),
            ("Hey, my Croft", "hey_mycroft"),
            ("Hey Jarvis, turn", "hey_jarvis"),
            # As Moonshine hears them, which knows of no words to expect.
            ("Ok, now, boo.", "okay_nabu"),
            ("Ok, now boot.", "okay_nabu"),
            ("Hey, Mick Ruffed.", "hey_mycroft"),
        ],
    )
    def test_what_sounds_like_it_stands(self, text: str, word: str) -> None:
        assert judge(text, word) is Verdict.WORDS

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("Can I get a...", "hey_mycroft"),
            ("I'd like a...", "alexa"),
            ("Computer.", "okay_nabu"),
            ("Ok, now we", "okay_nabu"),
            ("a big one", "okay_nabu"),
            ("Hey, make a", "hey_mycroft"),
            ("I'll look", "alexa"),
            ("the weather in Madrid is sunny", "alexa"),
        ],
    )
    def test_something_else_does_not(self, text: str, word: str) -> None:
        assert judge(text, word) is Verdict.OTHER

    @pytest.mark.parametrize("text", ["", " ... ", "12"])
    def test_no_words_are_no_evidence(self, text: str) -> None:
        assert judge(text, "alexa") is Verdict.UNCLEAR


class TestPreRoll:
    def test_it_begins_before_the_word_and_ends_with_what_has_come(self) -> None:
        roll = PreRoll()
        for piece in range(40):
            roll.add(piece * PIECE, bytes([piece, 0]) * PIECE)
        pcm = roll.before(40 * PIECE - 1000)
        assert len(pcm) // 2 == 1000 + int(1.6 * 16_000)
        assert pcm[-2] == 39

    def test_a_gap_begins_it_anew(self) -> None:
        roll = PreRoll()
        roll.add(0, b"\1\0" * PIECE)
        roll.add(10 * PIECE, b"\2\0" * PIECE)
        assert set(roll.before(11 * PIECE - 1)[::2]) == {2}

    def test_it_keeps_no_more_than_it_needs(self) -> None:
        roll = PreRoll()
        for piece in range(1000):
            roll.add(piece * PIECE, bytes(2 * PIECE))
        assert len(roll.before(0)) // 2 < 3 * 16_000


@asynccontextmanager
async def waking(bus: Bus, said: Callable[[Transcribe], Any] | None, **known: Any) -> AsyncIterator[list[Event]]:
    """The service with its child, and everything that it says."""
    ready = asyncio.Event()
    ctx = Context(bus, "wake", on_state=lambda _state, _note: ready.set())
    facts: list[Event] = []

    async def watch() -> None:
        async with bus.subscribe(Event, limit=10_000, overflow=Overflow.FAIL, owner="test") as box:
            async for fact in box:
                facts.append(fact)  # noqa: PERF401  # one by one: the test looks meanwhile

    async def transcribe(question: Transcribe) -> Transcript:
        assert said is not None
        answer = said(question)
        if isinstance(answer, SoloError):
            raise answer
        return Transcript(text=answer, language="en", engine="stub")

    async with asyncio.TaskGroup() as tasks:
        work = [tasks.create_task(WakeService(FAKE, **known).run(ctx)), tasks.create_task(watch())]
        if said is not None:
            work.append(tasks.create_task(ctx.answer(Transcribe, transcribe)))
        await ready.wait()
        await asyncio.sleep(0)
        yield facts
        for task in work:
            task.cancel()


async def hear(bus: Bus, facts: list[Event], pcm: bytes, kinds: tuple[type[Event], ...], count: int = 1) -> list[Any]:
    for start in range(0, len(pcm), 2 * PIECE):
        bus.publish(SoundHeard(source="desk", pcm=pcm[start : start + 2 * PIECE], start=start // 2))
    async with asyncio.timeout(20):
        while len(found := [fact for fact in facts if isinstance(fact, kinds)]) < count:
            await asyncio.sleep(0.01)
    return found


LEAD = bytes(2 * 16_000)
WORD = LEAD + marker("alexa") + LEAD


class Broken(SoloError):
    """It is."""

    code = "test.broken"


class TestLooksAgain:
    async def test_a_word_that_was_said_stands_and_the_look_had_its_sound(self, bus: Bus) -> None:
        asked: list[Transcribe] = []

        def said(question: Transcribe) -> str:
            asked.append(question)
            return "Alexa."

        async with waking(bus, said) as facts:
            [confirmed] = await hear(bus, facts, WORD, (WakeWordConfirmed,))
            [heard] = [fact for fact in facts if isinstance(fact, WakeWordHeard)]
        assert (confirmed.word, confirmed.at, confirmed.why, confirmed.text) == ("alexa", heard.at, "words", "Alexa.")
        assert facts.index(heard) < facts.index(confirmed), "the ear listens at once"
        assert asked[0].partial
        assert asked[0].prompt == "Alexa."
        assert marker("alexa")[:1000] in asked[0].pcm

    async def test_one_that_was_not_said_is_rejected(self, bus: Bus) -> None:
        async with waking(bus, lambda _: "the weather") as facts:
            [rejected] = await hear(bus, facts, WORD, (WakeWordRejected,))
        assert (rejected.source, rejected.word, rejected.text) == ("desk", "alexa", "the weather")

    @pytest.mark.parametrize("said", [lambda _: Broken(), None], ids=["failed", "absent"])
    async def test_without_recognition_it_stands(self, bus: Bus, said: Any) -> None:
        async with waking(bus, said) as facts:
            [confirmed] = await hear(bus, facts, WORD, (WakeWordConfirmed,))
        assert confirmed.why == "unavailable"

    async def test_switched_off_nothing_is_asked(self, bus: Bus) -> None:
        async with waking(bus, lambda _: "the weather", verify=False) as facts:
            await hear(bus, facts, WORD, (WakeWordHeard,))
        assert not [fact for fact in facts if isinstance(fact, WakeWordRejected | WakeWordConfirmed)]

    @pytest.mark.parametrize(("cooldown_s", "count"), [(1.0, 2), (5.0, 1)])
    async def test_others_within_the_cool_down_are_ignored(self, bus: Bus, cooldown_s: float, count: int) -> None:
        twice = WORD + LEAD + marker("alexa") + LEAD * 2
        async with waking(bus, lambda _: "Alexa", cooldown_s=cooldown_s) as facts:
            await hear(bus, facts, twice, (WakeWordHeard,), count)
            bus.publish(SoundHeard(source="other", pcm=WORD, start=0))
            async with asyncio.timeout(20):
                while not [fact for fact in facts if isinstance(fact, WakeWordHeard) and fact.source == "other"]:
                    await asyncio.sleep(0.01)
        assert len([fact for fact in facts if isinstance(fact, WakeWordHeard) and fact.source == "desk"]) == count
